// SPDX-License-Identifier: Apache-2.0
//
// Header fields (RFC 9110 section 5). Names are compared as ASCII, without the locale. Invariant:
// the fields cover text_ without gaps, in order.

#include "layby/http/headers.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace layby::http {
namespace {

// The text and the fields of most headers fit into these sizes.
constexpr std::size_t kUsualTextBytes = 448;
constexpr std::size_t kUsualFields = 8;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

void Headers::begin(std::string_view name) {
  if (fields_.empty()) {
    text_.reserve(kUsualTextBytes);
    fields_.reserve(kUsualFields);
  }
  assert(text_.size() + name.size() <= std::numeric_limits<std::uint32_t>::max());
  fields_.push_back(
      {static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(name.size()), 0});
  text_.append(name);
}

void Headers::add(std::string_view name, std::string_view value) {
  begin(name);
  text_.append(value);
  fields_.back().value_bytes = static_cast<std::uint32_t>(value.size());
}

void Headers::add(std::string_view name, std::initializer_list<std::string_view> pieces) {
  begin(name);
  for (const std::string_view piece : pieces) {
    text_.append(piece);
    fields_.back().value_bytes += static_cast<std::uint32_t>(piece.size());
  }
}

void Headers::clear() {
  fields_.clear();
  text_.clear();
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const Field& field : fields_) {
    const Header header = at(field);
    if (equals_ignoring_case(header.name, name)) return header.value;
  }
  return std::nullopt;
}

std::string Headers::joined(std::string_view name) const {
  std::string all;
  bool first = true;
  for (const Field& field : fields_) {
    const Header header = at(field);
    if (!equals_ignoring_case(header.name, name)) continue;
    if (!first) all += ", ";
    all += header.value;
    first = false;
  }
  return all;
}

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      fields_.begin(), fields_.end(),
      [this, name](const Field& field) { return equals_ignoring_case(at(field).name, name); }));
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool list_has_token(std::string_view value, std::string_view token) {
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    if (equals_ignoring_case(trim(value.substr(0, comma)), token)) return true;
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
  return false;
}

}  // namespace layby::http
