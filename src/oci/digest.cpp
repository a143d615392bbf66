// SPDX-License-Identifier: Apache-2.0
//
// Parses and makes digests. A table of the registered algorithms has the valid names and lengths.
// Blob paths are made from digests, so no other text may pass. Invariant: text_ is the name of the
// algorithm, a colon and exactly hex_length lower-case hexadecimal digits.

#include "layby/oci/digest.h"

#include <array>
#include <cassert>
#include <cstdint>
#include <cstring>

namespace layby::oci {
namespace {

struct Algorithm {
  ShaKind kind;
  std::string_view name;
  std::size_t hex_length;
};

constexpr std::array<Algorithm, 2> kAlgorithms{
    {{ShaKind::kSha256, "sha256", 64}, {ShaKind::kSha512, "sha512", 128}}};

const Algorithm& algorithm_of(ShaKind kind) {
  return kAlgorithms[kind == ShaKind::kSha256 ? 0 : 1];
}

// Whether all eight characters are 0 to 9 or a to f. from(c) adds 0x80 - c to each byte, which sets
// the high bit of each byte from c to 0x7f. A byte above 0x7f passes neither test, so the answer is
// false; the byte's carry into the next byte does no harm.
bool are_hex(const char* digits) {
  constexpr auto in_each_byte = [](std::uint64_t byte) { return byte * 0x0101010101010101; };
  std::uint64_t word = 0;
  std::memcpy(&word, digits, sizeof word);
  const auto from = [word, in_each_byte](int first) {
    return word + in_each_byte(static_cast<std::uint64_t>(0x80 - first));
  };
  const std::uint64_t is_digit = from('0') & ~from('9' + 1);
  const std::uint64_t is_letter = from('a') & ~from('f' + 1);
  constexpr std::uint64_t kHighBits = in_each_byte(0x80);
  return ((is_digit | is_letter) & kHighBits) == kHighBits;
}

// The length of `digits` is a hex_length, which is a multiple of eight.
bool is_hex(std::string_view digits) {
  assert(digits.size() % 8 == 0);
  while (!digits.empty() && are_hex(digits.data())) digits.remove_prefix(8);
  return digits.empty();
}

}  // namespace

std::optional<Digest> Digest::parse(std::string_view text) {
  for (const Algorithm& algorithm : kAlgorithms) {
    const std::size_t prefix = algorithm.name.size() + 1;
    if (text.size() != prefix + algorithm.hex_length) continue;
    if (!text.starts_with(algorithm.name) || text[prefix - 1] != ':') continue;
    if (is_hex(text.substr(prefix))) return Digest(algorithm.kind, std::string(text));
  }
  return std::nullopt;
}

Digest Digest::of(std::string_view content, ShaKind kind) {
  return from_hex(kind, sha_hex(kind, content));
}

Digest Digest::from_hex(ShaKind kind, std::string_view hex) {
  const Algorithm& algorithm = algorithm_of(kind);
  assert(hex.size() == algorithm.hex_length && is_hex(hex));
  return Digest(kind, std::string(algorithm.name) + ":" + std::string(hex));
}

std::string_view Digest::algorithm() const { return algorithm_of(kind_).name; }

std::string_view Digest::hex() const {
  assert(text_.size() == algorithm().size() + 1 + algorithm_of(kind_).hex_length);
  return std::string_view(text_).substr(algorithm().size() + 1);
}

}  // namespace layby::oci
