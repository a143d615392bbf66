// SPDX-License-Identifier: Apache-2.0
//
// Limits the rate of requests of each client. An idle client saves up a burst of requests. A client
// that has used up its burst may send requests at the set rate. A client is a counted_address(), so
// all addresses of an IPv6 /64 share one rate.

#ifndef LAYBY_POLICY_CLIENT_RATES_H_
#define LAYBY_POLICY_CLIENT_RATES_H_

#include <chrono>
#include <cstddef>
#include <optional>
#include <unordered_map>

#include "layby/base/clock.h"
#include "layby/base/ip_address.h"

namespace layby::policy {

class ClientRates {
 public:
  // The most clients that are remembered. A client above this number isn't limited, because a rate
  // for each client can't stop a flood from so many addresses.
  static constexpr std::size_t kMostClients = 65'536;

  // `per_minute` is 0 for no limit. `burst` is at least 1.
  ClientRates(int per_minute, int burst);

  // Replaces the rate. With a different rate, each client begins with a whole burst; with the same
  // rate, nothing changes.
  void set_rate(int per_minute, int burst);

  bool is_on() const { return interval_.count() > 0; }

  // If `client` may send a request at `now`, counts the request and returns nullopt. Otherwise
  // returns how long the client must wait, at least 1 s. From call to call, `now` never goes back.
  std::optional<std::chrono::seconds> take(const IpAddress& client, SteadyTime now);

  std::size_t remembered() const { return free_at_.size(); }

 private:
  void forget_idle(SteadyTime now);

  std::chrono::nanoseconds interval_{0};  // The time between two requests; 0 for no limit.
  std::chrono::nanoseconds saved_{0};     // The time that a whole burst saves.
  // When each client has its whole burst again; often a time in the past.
  std::unordered_map<IpAddress, SteadyTime, HashIpAddress> free_at_;
  SteadyTime looked_at_;  // The last call of forget_idle().
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_CLIENT_RATES_H_
