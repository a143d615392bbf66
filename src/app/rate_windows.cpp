// SPDX-License-Identifier: Apache-2.0
//
// The wall clock is checked every kLook. A timer that waits for the beginning of a window would
// miss a change of the wall clock, such as summer time.

#include "app/rate_windows.h"

#include <utility>

namespace layby::app {
namespace {

constexpr std::chrono::seconds kLook{20};

}  // namespace

RateWindows::RateWindows(const Config& config, Timers& timers, const Clock& clock,
                         std::function<void(std::uint64_t)> set_rate)
    : otherwise_(config.upstream.max_rate),
      timers_(timers),
      clock_(clock),
      set_rate_(std::move(set_rate)) {
  for (const RateWindowConfig& from : config.upstream.windows) {
    auto window = policy::DayWindow::parse(from.window);
    if (window.ok()) windows_.push_back({*window, from.max_rate});
  }
  look();
}

std::uint64_t RateWindows::rate_at(std::chrono::seconds time_of_day) const {
  for (const Window& window : windows_) {
    if (window.window.contains(time_of_day)) return window.max_rate;
  }
  return otherwise_;
}

void RateWindows::look() {
  set_rate_(rate_at(local_time_of_day(clock_.wall_now())));
  if (!windows_.empty()) next_look_ = timers_.after(kLook, [this] { look(); });
}

}  // namespace layby::app
