// SPDX-License-Identifier: Apache-2.0
//
// wait() includes the time until a window begins; may_run() is false outside of the window.

#include "layby/policy/run_schedule.h"

#include <algorithm>
#include <utility>

namespace layby::policy {
namespace {

// A failed run is repeated after this time, unless the next regular run is due sooner.
constexpr std::chrono::minutes kAgain{10};

}  // namespace

void RunSchedule::on_started(SteadyTime now) {
  soon_ = false;
  next_ = now + every_;
  if (std::exchange(first_, false) && !window_) next_ += splay_;
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
  return interval + until_open(then);
}

std::chrono::seconds RunSchedule::until_open(std::chrono::seconds time_of_day) const {
  const std::chrono::seconds splay = std::min(splay_, window_->length() / 2);
  if (!window_->contains(time_of_day)) return window_->until_begin(time_of_day) + splay;
  const std::chrono::seconds open_for = window_->length() - window_->until_end(time_of_day);
  return std::max(splay - open_for, std::chrono::seconds(0));
}

bool RunSchedule::may_run(std::chrono::seconds time_of_day) const {
  return !window_ || window_->contains(time_of_day);
}

std::chrono::seconds splay_of(std::chrono::milliseconds splay, std::uint32_t seed) {
  constexpr double kSeeds = 4294967296.0;  // 2^32
  const double part = static_cast<double>(seed) / kSeeds;
  return std::chrono::seconds(
      static_cast<std::int64_t>(static_cast<double>(splay.count()) * part / 1000));
}

}  // namespace layby::policy
