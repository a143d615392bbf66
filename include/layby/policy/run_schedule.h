// SPDX-License-Identifier: Apache-2.0
//
// Decides when a recurring task is due: at an interval, within a window of the day, and sooner
// after an event or a failed run. A schedule has the state of one task. The caller passes the
// times in.

#ifndef LAYBY_POLICY_RUN_SCHEDULE_H_
#define LAYBY_POLICY_RUN_SCHEDULE_H_

#include <chrono>
#include <cstdint>
#include <optional>

#include "layby/base/clock.h"
#include "layby/policy/day_window.h"

namespace layby::policy {

class RunSchedule {
 public:
  // Without a window, runs may start at any time of day, and the first run is due at once. `splay`
  // spreads the runs of many boxes over time. Runs begin `splay` after the window's beginning, or
  // in the middle of the window if the middle comes sooner. Without a window, the second run is
  // later by `splay`.
  RunSchedule(std::chrono::milliseconds every, std::optional<DayWindow> window,
              std::chrono::seconds splay = std::chrono::seconds(0))
      : every_(every), window_(window), splay_(splay) {}

  // Makes the next run due at once, or, after a failed run, as soon as the failed run may be
  // repeated.
  void want_soon() { soon_ = true; }
  void on_started(SteadyTime now);
  void on_ended(SteadyTime now, bool failed);

  // The time until the next run is due; 0 when it is due now.
  std::chrono::milliseconds wait(SteadyTime now, std::chrono::seconds time_of_day) const;
  // Whether a run may continue at this time of day.
  bool may_run(std::chrono::seconds time_of_day) const;

 private:
  // The time until a run may begin within the window; 0 when a run may begin at `time_of_day`.
  std::chrono::seconds until_open(std::chrono::seconds time_of_day) const;

  std::chrono::milliseconds every_;
  std::optional<DayWindow> window_;
  std::chrono::seconds splay_;
  bool first_ = true;
  bool soon_ = true;
  SteadyTime next_{};        // When the next run is due, unless soon_.
  SteadyTime not_before_{};  // When a failed run may be repeated.
};

// The part of `splay` for the box with this seed. The part is below `splay`, or 0 if `splay` is 0.
std::chrono::seconds splay_of(std::chrono::milliseconds splay, std::uint32_t seed);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_RUN_SCHEDULE_H_
