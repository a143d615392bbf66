// SPDX-License-Identifier: Apache-2.0
//
// Encodes bytes as hexadecimal digits or Base64, and turns ASCII letters into lower case.

#ifndef LAYBY_BASE_ENCODING_H_
#define LAYBY_BASE_ENCODING_H_

#include <optional>
#include <string>
#include <string_view>

namespace layby {

// Both give two digits for each byte: "9f86d0" or "9F86D0".
std::string to_hex(std::string_view bytes);
std::string to_upper_hex(std::string_view bytes);

// The value of a hexadecimal digit of either case, 0 to 15; nullopt for any other character.
std::optional<int> hex_value(char digit);

// Base64 with padding and without line breaks (RFC 4648 section 4). `bytes` has at most 1 GiB.
std::string to_base64(std::string_view bytes);

// A to Z become a to z; all other bytes stay as they are.
std::string to_lower_case(std::string_view text);

}  // namespace layby

#endif  // LAYBY_BASE_ENCODING_H_
