// SPDX-License-Identifier: Apache-2.0
//
// HTTP dates (RFC 9110 section 5.6.7) and Retry-After (section 10.2.3).

#ifndef LAYBY_HTTP_DATE_H_
#define LAYBY_HTTP_DATE_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/clock.h"

namespace layby::http {

// Formats `time` as an IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string format_date(WallTime time);

// Parses an IMF-fixdate of the years 1678 to 2261, the range of WallTime. Returns nullopt for any
// other text, and for a wrong day of the week.
std::optional<WallTime> parse_date(std::string_view text);

// The wait in `value`: a number of seconds, or the time from `now` to a date. The wait is at least
// zero and at most a year.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, WallTime now);

}  // namespace layby::http

#endif  // LAYBY_HTTP_DATE_H_
