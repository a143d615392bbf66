// SPDX-License-Identifier: Apache-2.0
//
// When a task that recurs is due: every so often, in a window of the day, sooner when
// something happened and when the last run failed. The only state is that of one task;
// times are passed in.

#ifndef LAYBY_POLICY_RUN_SCHEDULE_H_
#define LAYBY_POLICY_RUN_SCHEDULE_H_

#include <chrono>
#include <optional>

#include "layby/base/clock.h"
#include "layby/policy/day_window.h"

namespace layby::policy {

class RunSchedule {
 public:
  // Without a window, at any time of day. The first run is due at once.
  RunSchedule(std::chrono::milliseconds every, std::optional<DayWindow> window)
      : every_(every), window_(window) {}

  // Something happened that the next run is for; it is due as soon as a run that failed
  // may be repeated.
  void want_soon() { soon_ = true; }
  void on_started(SteadyTime now);
  void on_ended(SteadyTime now, bool failed);

  // Until the next run; 0 when it is due.
  std::chrono::milliseconds wait(SteadyTime now, std::chrono::seconds time_of_day) const;
  // Whether a run may go on at this time of day.
  bool may_run(std::chrono::seconds time_of_day) const;

 private:
  std::chrono::milliseconds every_;
  std::optional<DayWindow> window_;
  bool soon_ = true;
  SteadyTime next_{};        // Unless soon.
  SteadyTime not_before_{};  // After a failure.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_RUN_SCHEDULE_H_
