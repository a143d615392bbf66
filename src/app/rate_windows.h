// SPDX-License-Identifier: Apache-2.0
//
// The rate limit of blob downloads, by the time of day. Lives on the loop thread.

#ifndef LAYBY_SRC_APP_RATE_WINDOWS_H_
#define LAYBY_SRC_APP_RATE_WINDOWS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "layby/app/config.h"
#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/policy/day_window.h"

namespace layby::app {

class RateWindows {
 public:
  // Calls `set_rate` at once with the present rate. If there are windows, calls `set_rate` again
  // every 20 s. `timers` and `clock` outlive the RateWindows.
  RateWindows(const Config& config, Timers& timers, const Clock& clock,
              std::function<void(std::uint64_t)> set_rate);

  // The rate at `time_of_day`, in bytes a second; 0 for no limit.
  std::uint64_t rate_at(std::chrono::seconds time_of_day) const;

 private:
  struct Window {
    policy::DayWindow window;
    std::uint64_t max_rate = 0;
  };

  void look();

  const std::uint64_t otherwise_;
  std::vector<Window> windows_;
  Timers& timers_;
  const Clock& clock_;
  const std::function<void(std::uint64_t)> set_rate_;
  Handle next_look_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_RATE_WINDOWS_H_
