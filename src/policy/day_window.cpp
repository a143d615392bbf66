// SPDX-License-Identifier: Apache-2.0
//
// Times are counted from the beginning of the window, so that midnight is no special case.

#include "layby/policy/day_window.h"

#include <cstdint>
#include <cstdio>
#include <optional>

#include "layby/base/number.h"

namespace layby::policy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr minutes kDay{24 * 60};

// Parses "05:00"; "24:00" is the end of the day.
std::optional<minutes> parse_time(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = parse_number(text.substr(0, 2));
  const auto minute = parse_number(text.substr(3));
  if (!hour || !minute || *minute > 59) return std::nullopt;
  const minutes time{static_cast<std::int64_t>(*hour * 60 + *minute)};
  if (time > kDay) return std::nullopt;
  return time;
}

// The time from `begin` to the next `time`, below 24 hours.
seconds behind(seconds time, seconds begin) { return (time + kDay - begin) % seconds(kDay); }

std::string format_time(minutes time) {
  char text[16];
  const auto count = static_cast<int>(time.count());
  std::snprintf(text, sizeof(text), "%02d:%02d", count / 60, count % 60);
  return text;
}

}  // namespace

Result<DayWindow> DayWindow::parse(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto begin = parse_time(text.substr(0, dash));
  const auto end = parse_time(dash == std::string_view::npos ? "" : text.substr(dash + 1));
  if (!begin || !end || *begin == kDay) {
    return Error{ErrorCode::kInvalid, "is not a window of the day, such as \"01:00-05:00\""};
  }
  if (*begin == *end % kDay) {
    return Error{ErrorCode::kInvalid,
                 "begins and ends at the same time; leave it out for the whole day"};
  }
  return DayWindow(*begin, *end);
}

bool DayWindow::contains(seconds time_of_day) const {
  return behind(time_of_day, begin_) < behind(end_, begin_);
}

seconds DayWindow::until_begin(seconds time_of_day) const {
  return contains(time_of_day) ? seconds(0) : behind(begin_, time_of_day);
}

seconds DayWindow::until_end(seconds time_of_day) const {
  return contains(time_of_day) ? behind(end_, begin_) - behind(time_of_day, begin_) : seconds(0);
}

seconds DayWindow::length() const { return behind(end_, begin_); }

std::string DayWindow::text() const { return format_time(begin_) + "-" + format_time(end_); }

}  // namespace layby::policy
