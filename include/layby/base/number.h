// SPDX-License-Identifier: Apache-2.0
//
// Whole decimal numbers as protocols write them: digits and nothing else. Unlike strtoull(),
// parse_number() refuses signs, spaces and base prefixes, and ignores the locale.

#ifndef LAYBY_BASE_NUMBER_H_
#define LAYBY_BASE_NUMBER_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace layby {

// The number in `text`; nullopt if `text` isn't all digits, or if the number is above 2^64 - 1.
std::optional<std::uint64_t> parse_number(std::string_view text);

// Returns whether `text` has only decimal digits, and at least one.
bool is_digits(std::string_view text);

}  // namespace layby

#endif  // LAYBY_BASE_NUMBER_H_
