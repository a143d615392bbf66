// SPDX-License-Identifier: Apache-2.0

#include "layby/policy/rate_floor.h"

#include <cassert>

namespace layby::policy {

void RateFloor::stop(SteadyTime now) {
  before_stop_ = passed(now);
  running_since_.reset();
}

void RateFloor::go_on(SteadyTime now) {
  if (!running_since_) running_since_ = now;
}

std::chrono::nanoseconds RateFloor::left(SteadyTime now) const {
  assert(running_since_);
  return rules_.window - passed(now);
}

bool RateFloor::fails(SteadyTime now) {
  if (left(now).count() > 0) return false;
  if (bytes_ < rules_.min_bytes) return true;
  bytes_ = 0;
  before_stop_ = std::chrono::nanoseconds(0);
  running_since_ = now;
  return false;
}

std::chrono::nanoseconds RateFloor::passed(SteadyTime now) const {
  return before_stop_ + (running_since_ ? now - *running_since_ : std::chrono::nanoseconds(0));
}

}  // namespace layby::policy
