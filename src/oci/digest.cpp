// SPDX-License-Identifier: Apache-2.0
//
// Digests. One table of the registered algorithms says which names and lengths are
// valid; blob paths are made of these parts, so nothing else may pass.

#include "layby/oci/digest.h"

#include <array>
#include <cassert>

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

// Whether a digest's digits are digits. Compilers look at a whole block at a time.
bool is_hex(std::string_view digits) {
  constexpr std::size_t kBlock = 16;
  assert(digits.size() % kBlock == 0);
  unsigned char others = 0;
  for (; !digits.empty(); digits.remove_prefix(kBlock)) {
    for (std::size_t i = 0; i < kBlock; ++i) {
      const auto digit = static_cast<unsigned char>(digits[i] - '0');
      const auto letter = static_cast<unsigned char>(digits[i] - 'a');
      others |= static_cast<unsigned char>(digit > 9) & static_cast<unsigned char>(letter > 5);
    }
  }
  return others == 0;
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
  return std::string_view(text_).substr(algorithm().size() + 1);
}

}  // namespace layby::oci
