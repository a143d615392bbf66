// SPDX-License-Identifier: Apache-2.0
//
// The requests of the last minute, so that no minute has more of them than a registry
// stands: Docker Hub blocks an address that asks too often, whatever it asks. Exact, not
// a bucket: a bucket that is full would let twice as many through in its first minute.

#ifndef LAYBY_POLICY_REQUEST_LOG_H_
#define LAYBY_POLICY_REQUEST_LOG_H_

#include <chrono>
#include <cstddef>
#include <deque>

#include "layby/base/clock.h"

namespace layby::policy {

class RequestLog {
 public:
  // Fewer than `per_minute` in any minute; 0 for no limit.
  explicit RequestLog(int per_minute) : per_minute_(static_cast<std::size_t>(per_minute)) {}

  // Until one more may go; 0 when it may now.
  std::chrono::milliseconds wait(SteadyTime now) const { return wait_below(per_minute_, now); }
  // The same for one that others follow on: a quarter is left to those, or a burst of first
  // steps would let nobody take the second.
  std::chrono::milliseconds first_step_wait(SteadyTime now) const {
    return wait_below(per_minute_ - per_minute_ / 4, now);
  }
  // The same for one that nobody waits for: these take half of what is allowed at most.
  std::chrono::milliseconds background_wait(SteadyTime now) const {
    return wait_below((per_minute_ + 1) / 2, now);
  }
  void note(SteadyTime now);
  // As if all that is allowed had been asked just now.
  void drain(SteadyTime now);

 private:
  std::chrono::milliseconds wait_below(std::size_t limit, SteadyTime now) const;

  std::size_t per_minute_;
  std::deque<SteadyTime> times_;  // The last per_minute_ - 1, oldest first.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_REQUEST_LOG_H_
