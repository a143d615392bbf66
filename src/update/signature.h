// SPDX-License-Identifier: Apache-2.0
//
// Checks Ed25519 signatures (RFC 8032) by libcrypto.

#ifndef LAYBY_SRC_UPDATE_SIGNATURE_H_
#define LAYBY_SRC_UPDATE_SIGNATURE_H_

#include <string>
#include <string_view>

#include "layby/base/result.h"

namespace layby::update {

inline constexpr std::size_t kSignatureBytes = 64;

// Checks that `signature` is a signature of `text` by the key whose public half is `key_pem`.
// `signature` has kSignatureBytes bytes. kInvalid: `key_pem` is no public Ed25519 key. kDenied: the
// signature is wrong.
Status check_signature(const std::string& key_pem, std::string_view text,
                       std::string_view signature);

}  // namespace layby::update

#endif  // LAYBY_SRC_UPDATE_SIGNATURE_H_
