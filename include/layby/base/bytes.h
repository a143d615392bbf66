// SPDX-License-Identifier: Apache-2.0
//
// Sizes and durations: parsed from a configuration, formatted for logs and the terminal.

#ifndef LAYBY_BASE_BYTES_H_
#define LAYBY_BASE_BYTES_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "layby/base/result.h"

namespace layby {

// "4096", "64KiB", "1.5GiB", "2MB": binary units are powers of 1024, decimal ones
// of 1000. No sign, no exponent; a space before the unit is fine.
Result<std::uint64_t> parse_bytes(std::string_view text);

// "500ms", "60s", "5m", "6h", "7d"; one number and one unit.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

// "3.8 MB", "512 B": decimal units, as Docker shows sizes.
std::string format_bytes(std::uint64_t bytes);

// "1d 2h", "3m 20s", "40 ms": at most two units.
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace layby

#endif  // LAYBY_BASE_BYTES_H_
