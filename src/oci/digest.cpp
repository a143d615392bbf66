// SPDX-License-Identifier: Apache-2.0
//
// Digests. One table of the registered algorithms says which names and lengths are
// valid; blob paths are made of these parts, so nothing else may pass.

#include "layby/oci/digest.h"

#include <algorithm>
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

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
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
