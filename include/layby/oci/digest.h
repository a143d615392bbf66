// SPDX-License-Identifier: Apache-2.0
//
// Content digests "<algorithm>:<hex>" (OCI image-spec, descriptor.md#digests).
// The algorithms are the registered ones: sha256 and sha512. A Digest is valid by
// construction.

#ifndef LAYBY_OCI_DIGEST_H_
#define LAYBY_OCI_DIGEST_H_

#include <compare>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/sha.h"

namespace layby::oci {

class Digest {
 public:
  // Returns nullopt for an unknown algorithm, a wrong length, upper case or a character that is no
  // hexadecimal digit.
  static std::optional<Digest> parse(std::string_view text);
  // The digest of `content`.
  static Digest of(std::string_view content, ShaKind kind = ShaKind::kSha256);
  // The digest from a finished hash. `hex` is the result of Sha::finish_hex() for `kind`.
  static Digest from_hex(ShaKind kind, std::string_view hex);

  ShaKind kind() const { return kind_; }
  const std::string& str() const { return text_; }  // "sha256:9f86d0…"
  std::string_view algorithm() const;               // "sha256"
  std::string_view hex() const;                     // "9f86d0…"

  auto operator<=>(const Digest&) const = default;

 private:
  Digest(ShaKind kind, std::string text) : kind_(kind), text_(std::move(text)) {}

  ShaKind kind_;
  std::string text_;
};

}  // namespace layby::oci

template <>
struct std::hash<layby::oci::Digest> {
  std::size_t operator()(const layby::oci::Digest& digest) const noexcept {
    constexpr std::size_t kDigits = 16;  // Digits of a hash are as good as random.
    return std::hash<std::string_view>{}(digest.hex().substr(0, kDigits));
  }
};

#endif  // LAYBY_OCI_DIGEST_H_
