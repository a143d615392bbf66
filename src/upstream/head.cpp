// SPDX-License-Identifier: Apache-2.0

#include "upstream/head.h"

#include <limits>

#include "layby/base/number.h"

namespace layby::upstream {
namespace {

// The largest length that curl and the disk can count.
constexpr std::uint64_t kMaxLength = std::numeric_limits<std::int64_t>::max();

}  // namespace

std::optional<std::uint64_t> Head::content_length() const {
  if (headers.count("transfer-encoding") > 0) return std::nullopt;
  const auto value = headers.get("content-length");
  return value ? parse_number(*value) : std::nullopt;
}

// A list of lengths in one field is a fault, even if all are equal (RFC 9112, section 6.3).
std::string_view Head::length_fault() const {
  std::optional<std::uint64_t> first;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const http::Header header = headers[i];
    if (!http::equals_ignoring_case(header.name, "content-length")) continue;
    const auto length = parse_number(header.value);
    if (!length && !is_digits(header.value)) return "its Content-Length is not a number";
    if (!length || *length > kMaxLength) return "its Content-Length is too large";
    if (first && *first != *length) return "it has two Content-Lengths that differ";
    first = length;
  }
  return "";
}

std::string_view Head::location() const {
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const http::Header header = headers[i];
    if (http::equals_ignoring_case(header.name, "location") && !header.value.empty()) {
      return header.value;
    }
  }
  return "";
}

}  // namespace layby::upstream
