// SPDX-License-Identifier: Apache-2.0
//
// Decimal numbers over std::from_chars, which ignores the locale and reports overflow.
// Leading zeros are accepted, since RFC 9110 allows them in every number.

#include "layby/base/number.h"

#include <algorithm>
#include <charconv>

namespace layby {

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (!is_digits(text)) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{}) return std::nullopt;
  return number;
}

}  // namespace layby
