// SPDX-License-Identifier: Apache-2.0
//
// Encodings over OpenSSL's libcrypto. OpenSSL writes hexadecimal digits in upper case only, and
// ends each text with a zero byte. A std::string has room for this zero byte.

#include "layby/base/encoding.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cassert>
#include <cstddef>

namespace layby {
namespace {

[[maybe_unused]] constexpr std::size_t kMaxBase64Bytes = 1 << 30;

const unsigned char* unsigned_data(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

void make_lower_case(std::string& text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
}

}  // namespace

std::string to_upper_hex(std::string_view bytes) {
  if (bytes.empty()) return "";
  std::string hex(bytes.size() * 2, '\0');
  [[maybe_unused]] const int works =
      OPENSSL_buf2hexstr_ex(hex.data(), hex.size() + 1, nullptr, unsigned_data(bytes), bytes.size(),
                            '\0');  // The last argument: no separator.
  assert(works == 1);
  return hex;
}

std::string to_hex(std::string_view bytes) {
  std::string hex = to_upper_hex(bytes);
  make_lower_case(hex);
  return hex;
}

std::optional<int> hex_value(char digit) {
  const int value = OPENSSL_hexchar2int(static_cast<unsigned char>(digit));
  return value < 0 ? std::nullopt : std::optional(value);
}

std::string to_base64(std::string_view bytes) {
  assert(bytes.size() <= kMaxBase64Bytes);
  std::string text((bytes.size() + 2) / 3 * 4, '\0');
  [[maybe_unused]] const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), unsigned_data(bytes),
                      static_cast<int>(bytes.size()));
  assert(static_cast<std::size_t>(length) == text.size());
  return text;
}

std::string to_lower_case(std::string_view text) {
  std::string lower(text);
  make_lower_case(lower);
  return lower;
}

}  // namespace layby
