// SPDX-License-Identifier: Apache-2.0
//
// Parses sizes and durations from a configuration, and formats them for logs and the terminal.

#ifndef LAYBY_BASE_BYTES_H_
#define LAYBY_BASE_BYTES_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "layby/base/result.h"

namespace layby {

// Parses a size: "4096", "64KiB", "1.5GiB", "2MB". Binary units are powers of 1024, decimal units
// are powers of 1000. A space before the unit is allowed; a sign and an exponent are not.
Result<std::uint64_t> parse_bytes(std::string_view text);

// Parses a duration of one number and one unit: "500ms", "60s", "5m", "6h", "7d".
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

// Formats a size in decimal units, as Docker does: "3.8 MB", "512 B".
std::string format_bytes(std::uint64_t bytes);

// Formats a duration in at most two units: "1d 2h", "3m 20s", "40 ms".
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace layby

#endif  // LAYBY_BASE_BYTES_H_
