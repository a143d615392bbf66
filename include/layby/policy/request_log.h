// SPDX-License-Identifier: Apache-2.0
//
// Remembers the requests of the last minute and keeps every minute below the registry's limit.
// Docker Hub blocks an address that sends too many requests of any kind. A token bucket would be
// less exact: a full bucket lets twice the limit through in its first minute.
//
// Clients share the requests of a minute. A client may use three quarters of the requests that the
// other clients have left, so some requests are left for the next client. A client is known by its
// counted_address(). The box's own requests have no address, and may use the whole limit.

#ifndef LAYBY_POLICY_REQUEST_LOG_H_
#define LAYBY_POLICY_REQUEST_LOG_H_

#include <chrono>
#include <cstddef>
#include <deque>

#include "layby/base/clock.h"
#include "layby/base/ip_address.h"

namespace layby::policy {

class RequestLog {
 public:
  // Allows fewer than `per_minute` requests in any minute, but at least one. A `per_minute` of 0
  // means no limit; sent_by() then counts among the last 300 requests.
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
  // Like wait(), or first_step_wait() if `is_first_step`, but within the share of `client`. First
  // steps leave a quarter of the client's share for the requests that follow.
  std::chrono::milliseconds wait_of(const IpAddress& client, bool is_first_step,
                                    SteadyTime now) const;
  // The number of requests of `client` in the last minute.
  std::size_t sent_by(const IpAddress& client, SteadyTime now) const;
  // Notes that a request for `client` was sent at `now`. `now` is never earlier than in the
  // previous call.
  void note(SteadyTime now, const IpAddress& client = {});
  // Fills the log as if all allowed requests had been sent just now.
  void drain(SteadyTime now);

 private:
  std::chrono::milliseconds wait_below(std::size_t limit, SteadyTime now) const;

  struct Sent {
    SteadyTime at;
    IpAddress client;
  };
  // A limit of 1 allows one request, because fewer than 1 would be no request at all.
  static std::size_t allowed_below(std::size_t limit) { return limit < 2 ? 1 : limit - 1; }

  std::size_t per_minute_;
  std::deque<Sent> sent_;  // The last requests, oldest first.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_REQUEST_LOG_H_
