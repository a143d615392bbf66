// SPDX-License-Identifier: Apache-2.0
//
// A part of every day in local time: "01:00-05:00". A window whose end is before its
// beginning spans midnight. The class is a pure value.

#ifndef LAYBY_POLICY_DAY_WINDOW_H_
#define LAYBY_POLICY_DAY_WINDOW_H_

#include <chrono>
#include <string>
#include <string_view>

#include "layby/base/result.h"

namespace layby::policy {

class DayWindow {
 public:
  // Returns kInvalid for a bad `text`. The error's message has no subject, such as "is not a window
  // of the day": the caller writes the name of `text` in front.
  static Result<DayWindow> parse(std::string_view text);

  // `time_of_day` counts from midnight and is below 24 hours.
  bool contains(std::chrono::seconds time_of_day) const;
  // until_begin() is 0 inside the window, and until_end() is 0 outside the window.
  std::chrono::seconds until_begin(std::chrono::seconds time_of_day) const;
  std::chrono::seconds until_end(std::chrono::seconds time_of_day) const;
  std::chrono::seconds length() const;

  std::string text() const;

  bool operator==(const DayWindow&) const = default;

 private:
  DayWindow(std::chrono::minutes begin, std::chrono::minutes end) : begin_(begin), end_(end) {}

  std::chrono::minutes begin_;  // The first minute of the window, since midnight.
  std::chrono::minutes end_;    // The first minute after the window; may be 24:00.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_DAY_WINDOW_H_
