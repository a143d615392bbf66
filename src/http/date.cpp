// SPDX-License-Identifier: Apache-2.0
//
// Formats and parses IMF-fixdate (RFC 9110 section 5.6.7) with the calendar of <chrono>, since
// strftime depends on the locale. If parse_date() accepts a text, format_date() turns the parsed
// date into the same text.

#include "layby/http/date.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <cstdio>

#include "layby/base/number.h"
#include "layby/http/headers.h"

namespace layby::http {
namespace {

constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// WallTime counts nanoseconds in 64 bits: from 1677 to 2262.
constexpr unsigned kFirstYear = 1678;
constexpr unsigned kLastYear = 2261;

// No registry needs a longer wait, and a sum with this wait can't overflow.
constexpr std::chrono::seconds kLongestWait = std::chrono::hours(24 * 365);

std::optional<unsigned> number_at(std::string_view text, std::size_t at, std::size_t length) {
  assert(at + length <= text.size());  // has_shape() is true.
  const std::optional<std::uint64_t> number = parse_number(text.substr(at, length));
  if (!number) return std::nullopt;
  return static_cast<unsigned>(*number);
}

std::optional<unsigned> month_at(std::string_view text, std::size_t at) {
  const auto found = std::find(kMonths.begin(), kMonths.end(), text.substr(at, 3));
  if (found == kMonths.end()) return std::nullopt;
  return static_cast<unsigned>(found - kMonths.begin()) + 1;
}

std::optional<std::chrono::sys_days> day_of(std::string_view text) {
  const auto day = number_at(text, 5, 2);
  const auto month = month_at(text, 8);
  const auto year = number_at(text, 12, 4);
  if (!day || !month || !year || *year < kFirstYear || *year > kLastYear) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  const std::chrono::sys_days days{date};
  if (kDays[std::chrono::weekday(days).c_encoding()] != text.substr(0, 3)) return std::nullopt;
  return days;
}

std::optional<std::chrono::seconds> time_of_day(std::string_view text) {
  const auto hour = number_at(text, 17, 2);
  const auto minute = number_at(text, 20, 2);
  const auto second = number_at(text, 23, 2);
  if (!hour || !minute || !second) return std::nullopt;
  if (*hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

// Whether `text` has the length and the punctuation of "Sun, 06 Nov 1994 08:49:37 GMT".
bool has_shape(std::string_view text) {
  return text.size() == 29 && text.substr(3, 2) == ", " && text[7] == ' ' && text[11] == ' ' &&
         text[16] == ' ' && text[19] == ':' && text[22] == ':' && text.substr(25) == " GMT";
}

}  // namespace

std::string format_date(WallTime time) {
  // The time is first rounded to seconds, since the midnight before the earliest WallTime is out of
  // WallTime's range.
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto days = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date{days};
  assert(date.ok());
  const std::chrono::hh_mm_ss clock{seconds - days};
  std::array<char, 64> text{};
  std::snprintf(
      text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
      kDays[std::chrono::weekday(days).c_encoding()].data(), static_cast<unsigned>(date.day()),
      kMonths[static_cast<unsigned>(date.month()) - 1].data(), static_cast<int>(date.year()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return text.data();
}

std::optional<WallTime> parse_date(std::string_view text) {
  if (!has_shape(text)) return std::nullopt;
  const auto days = day_of(text);
  const auto time = time_of_day(text);
  if (!days || !time) return std::nullopt;
  return WallTime(*days) + *time;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, WallTime now) {
  const std::string_view text = trim(value);
  if (is_digits(text)) {
    const std::uint64_t longest = static_cast<std::uint64_t>(kLongestWait.count());
    const std::uint64_t seconds = std::min(parse_number(text).value_or(longest), longest);
    return std::chrono::seconds(static_cast<std::int64_t>(seconds));
  }
  const std::optional<WallTime> date = parse_date(text);
  if (!date) return std::nullopt;
  // The wait is computed in seconds, since the distance of two far dates exceeds 64 bits of
  // nanoseconds.
  const auto wait = std::chrono::ceil<std::chrono::seconds>(date->time_since_epoch()) -
                    std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  return std::clamp(wait, std::chrono::seconds(0), kLongestWait);
}

}  // namespace layby::http
