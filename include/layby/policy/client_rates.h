// SPDX-License-Identifier: Apache-2.0
//
// Limits how many requests each client sends. A client may save up a burst of requests and then
// gets the set rate. Clients are told apart by counted_address(), so all addresses of an IPv6 /64
// share one rate.

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
  // The most clients that are remembered. A client above this number isn't limited: a rate for
  // each client can't stop a flood from more addresses.
  static constexpr std::size_t kMostClients = 65'536;

  // `per_minute` is 0 for no limit. `burst` is at least 1.
  ClientRates(int per_minute, int burst);

  // Replaces the rate. A new rate forgets what clients have sent; the same rate changes nothing.
  void set_rate(int per_minute, int burst);

  bool is_on() const { return interval_.count() > 0; }

  // Counts a request of `client` at `now` and returns nullopt, or returns how long the client
  // must wait, at least 1 s, and doesn't count the request. From call to call, `now` never goes
  // back.
  std::optional<std::chrono::seconds> take(const IpAddress& client, SteadyTime now);

  std::size_t remembered() const { return free_at_.size(); }

 private:
  void forget_idle(SteadyTime now);

  std::chrono::nanoseconds interval_{0};  // Between two requests at the set rate; 0: no limit.
  std::chrono::nanoseconds saved_{0};     // What a whole burst saves up.
  // When a client has paid for its requests; a time in the past means that the burst is whole.
  std::unordered_map<IpAddress, SteadyTime, HashIpAddress> free_at_;
  SteadyTime looked_at_;  // The last call of forget_idle().
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_CLIENT_RATES_H_
