// SPDX-License-Identifier: Apache-2.0
//
// The requests of the last minute, so that every minute stays below the registry's limit:
// Docker Hub blocks an address that sends too many requests of any kind. The log is exact
// where a bucket is not: a full bucket lets twice the limit through in its first minute.

#ifndef LAYBY_POLICY_REQUEST_LOG_H_
#define LAYBY_POLICY_REQUEST_LOG_H_

#include <chrono>
#include <cstddef>
#include <deque>

#include "layby/base/clock.h"

namespace layby::policy {

class RequestLog {
 public:
  // Allows fewer than `per_minute` requests in any minute; 0 for no limit.
  explicit RequestLog(int per_minute) : per_minute_(static_cast<std::size_t>(per_minute)) {}

  // The time until one more request may go; 0 when it may go now.
  std::chrono::milliseconds wait(SteadyTime now) const { return wait_below(per_minute_, now); }
  // The same for the first request of several, such as the check of a tag. A quarter of the
  // limit is kept for the requests that follow; otherwise a burst of first requests would
  // block them.
  std::chrono::milliseconds first_step_wait(SteadyTime now) const {
    return wait_below(per_minute_ - per_minute_ / 4, now);
  }
  // The same for a request in the background. These use at most half of the limit.
  std::chrono::milliseconds background_wait(SteadyTime now) const {
    return wait_below((per_minute_ + 1) / 2, now);
  }
  // A request was sent. `now` never goes back from call to call.
  void note(SteadyTime now);
  // Fills the log as if all allowed requests had been sent just now.
  void drain(SteadyTime now);

 private:
  std::chrono::milliseconds wait_below(std::size_t limit, SteadyTime now) const;

  std::size_t per_minute_;
  std::deque<SteadyTime> times_;  // Of the last per_minute_ - 1 requests, oldest first.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_REQUEST_LOG_H_
