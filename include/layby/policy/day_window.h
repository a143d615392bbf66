// SPDX-License-Identifier: Apache-2.0
//
// A part of every day, by the clock on the wall: "01:00-05:00". One that ends before it
// begins goes over midnight. Pure: values in, values out.

#ifndef LAYBY_POLICY_DAY_WINDOW_H_
#define LAYBY_POLICY_DAY_WINDOW_H_

#include <chrono>
#include <string>
#include <string_view>

#include "layby/base/result.h"

namespace layby::policy {

class DayWindow {
 public:
  // kInvalid says what is wrong, as the end of a sentence that names the text.
  static Result<DayWindow> parse(std::string_view text);

  // Times of day are since midnight, below 24 hours.
  bool contains(std::chrono::seconds time_of_day) const;
  // 0 when it has begun, or ended.
  std::chrono::seconds until_begin(std::chrono::seconds time_of_day) const;
  std::chrono::seconds until_end(std::chrono::seconds time_of_day) const;

  std::string text() const;

  bool operator==(const DayWindow&) const = default;

 private:
  DayWindow(std::chrono::minutes begin, std::chrono::minutes end) : begin_(begin), end_(end) {}

  std::chrono::minutes begin_;  // The first that is in it,
  std::chrono::minutes end_;    // and the first behind it; 24:00 is 0:00 of the next day.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_DAY_WINDOW_H_
