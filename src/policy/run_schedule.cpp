// SPDX-License-Identifier: Apache-2.0
//
// wait() includes the time until a window begins; may_run() is false outside of the window.

#include "layby/policy/run_schedule.h"

#include <algorithm>

namespace layby::policy {
namespace {

// A failed run is repeated after this time, unless the next regular run is due sooner.
constexpr std::chrono::minutes kAgain{10};

}  // namespace

void RunSchedule::on_started(SteadyTime now) {
  soon_ = false;
  next_ = now + every_;
}

void RunSchedule::on_ended(SteadyTime now, bool failed) {
  if (!failed) return;
  next_ = std::min(next_, now + kAgain);
  not_before_ = next_;
}

std::chrono::milliseconds RunSchedule::wait(SteadyTime now,
                                            std::chrono::seconds time_of_day) const {
  using std::chrono::milliseconds;
  const milliseconds interval = std::max(
      std::chrono::ceil<milliseconds>((soon_ ? not_before_ : next_) - now), milliseconds(0));
  if (!window_) return interval;
  constexpr std::chrono::seconds kDay{24 * 60 * 60};
  const auto then = (time_of_day + std::chrono::ceil<std::chrono::seconds>(interval)) % kDay;
  return interval + window_->until_begin(then);
}

bool RunSchedule::may_run(std::chrono::seconds time_of_day) const {
  return !window_ || window_->contains(time_of_day);
}

}  // namespace layby::policy
