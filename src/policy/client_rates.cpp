// SPDX-License-Identifier: Apache-2.0
//
// The state of a client is one point in time, as in the generic cell rate algorithm (ITU-T I.371).
// Each request moves the point to a later time by one interval. A client whose point is in the past
// has its whole burst, like an unknown client, so the client can be forgotten.
//
// Invariant: at most kMostClients are remembered.

#include "layby/policy/client_rates.h"

#include <algorithm>
#include <cassert>

namespace layby::policy {
namespace {

// The shortest time between two searches of the table for idle clients.
constexpr std::chrono::seconds kBetweenLooks{1};

}  // namespace

ClientRates::ClientRates(int per_minute, int burst) { set_rate(per_minute, burst); }

void ClientRates::set_rate(int per_minute, int burst) {
  assert(per_minute >= 0 && burst >= 1);
  constexpr std::chrono::nanoseconds kMinute = std::chrono::minutes(1);
  const auto interval = per_minute == 0 ? std::chrono::nanoseconds(0) : kMinute / per_minute;
  const auto saved = interval * (burst - 1);
  if (interval == interval_ && saved == saved_) return;
  interval_ = interval;
  saved_ = saved;
  free_at_.clear();
}

std::optional<std::chrono::seconds> ClientRates::take(const IpAddress& client, SteadyTime now) {
  if (!is_on()) return std::nullopt;
  const IpAddress counted = counted_address(client);
  auto at = free_at_.find(counted);
  if (at == free_at_.end()) {
    forget_idle(now);
    if (free_at_.size() >= kMostClients) return std::nullopt;
    at = free_at_.emplace(counted, now).first;
  }
  SteadyTime& free_at = at->second;
  const SteadyTime next = std::max(free_at, now);
  if (next - now > saved_) return std::chrono::ceil<std::chrono::seconds>(next - now - saved_);
  free_at = next + interval_;
  assert(free_at_.size() <= kMostClients);
  return std::nullopt;
}

// Called for each unknown client. Searches the table only if the last search was at least a second
// ago.
void ClientRates::forget_idle(SteadyTime now) {
  if (now - looked_at_ < kBetweenLooks) return;
  looked_at_ = now;
  std::erase_if(free_at_, [now](const auto& client) { return client.second <= now; });
}

}  // namespace layby::policy
