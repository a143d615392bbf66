// SPDX-License-Identifier: Apache-2.0
//
// Remembers the requests of the last minute and keeps every minute below the registry's limit.
// Docker Hub blocks an address that sends too many requests of any kind. A token bucket would be
// less exact: a full bucket lets twice the limit through in its first minute.

#ifndef LAYBY_POLICY_REQUEST_LOG_H_
#define LAYBY_POLICY_REQUEST_LOG_H_

#include <chrono>
#include <cstddef>
#include <deque>

#include "layby/base/clock.h"

namespace layby::policy {

class RequestLog {
 public:
  // Allows fewer than `per_minute` requests in any minute, but at least one. A `per_minute` of 0
  // means no limit.
  explicit RequestLog(int per_minute) : per_minute_(static_cast<std::size_t>(per_minute)) {}

  // The time until one more request may be sent; 0 when the request may be sent now.
  std::chrono::milliseconds wait(SteadyTime now) const { return wait_below(per_minute_, now); }
  // Like wait(), for the first of several requests, such as the check of a tag. A quarter of the
  // limit is left for the requests that follow; otherwise a burst of first requests would
  // block the later requests.
  std::chrono::milliseconds first_step_wait(SteadyTime now) const {
    return wait_below(per_minute_ - per_minute_ / 4, now);
  }
  // Like wait(), for a request in the background. Background requests begin only while less
  // than half of the limit is used.
  std::chrono::milliseconds background_wait(SteadyTime now) const {
    return wait_below((per_minute_ + 1) / 2, now);
  }
  // Notes that a request was sent at `now`. From call to call, `now` never goes back.
  void note(SteadyTime now);
  // Fills the log as if all allowed requests had been sent just now.
  void drain(SteadyTime now);

 private:
  std::chrono::milliseconds wait_below(std::size_t limit, SteadyTime now) const;

  std::size_t per_minute_;
  std::deque<SteadyTime> times_;  // The times of the last per_minute_ - 1 requests, oldest first.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_REQUEST_LOG_H_
