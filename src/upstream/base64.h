// SPDX-License-Identifier: Apache-2.0
//
// Base64 with padding (RFC 4648 section 4), for Basic authentication.

#ifndef LAYBY_UPSTREAM_BASE64_H_
#define LAYBY_UPSTREAM_BASE64_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace layby::upstream {

inline std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = at; i < at + 3; ++i) {
      group = group << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u);
    }
    const std::size_t present = bytes.size() - at;
    for (std::size_t i = 0; i < 4; ++i) {
      text += i <= present ? kAlphabet[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_BASE64_H_
