// SPDX-License-Identifier: Apache-2.0
//
// Decides when a recurring task is due: at an interval, within a window of the day, and sooner
// after an event or a failed run. A schedule has the state of one task. The caller passes the
// times in.

#ifndef LAYBY_POLICY_RUN_SCHEDULE_H_
#define LAYBY_POLICY_RUN_SCHEDULE_H_

#include <chrono>
#include <optional>

#include "layby/base/clock.h"
#include "layby/policy/day_window.h"

namespace layby::policy {

class RunSchedule {
 public:
  // Without a window, runs may start at any time of day. The first run is due at once.
  RunSchedule(std::chrono::milliseconds every, std::optional<DayWindow> window)
      : every_(every), window_(window) {}

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
  std::chrono::milliseconds every_;
  std::optional<DayWindow> window_;
  bool soon_ = true;
  SteadyTime next_{};        // When the next run is due, unless soon_.
  SteadyTime not_before_{};  // When a failed run may be repeated.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_RUN_SCHEDULE_H_
