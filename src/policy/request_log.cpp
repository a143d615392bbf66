// SPDX-License-Identifier: Apache-2.0
//
// A new request may be sent if the last minute, with the new request, has fewer requests than the
// limit. So the request that is `limit - 1` requests earlier must be a minute old.
//
// Invariant: the times in sent_ ascend.

#include "layby/policy/request_log.h"

#include <algorithm>
#include <cassert>

namespace layby::policy {
namespace {

constexpr std::chrono::minutes kMinute{1};
constexpr std::size_t kRemembered = 300;  // The requests that a log without a limit remembers.

std::size_t three_quarters(std::size_t whole) { return whole - whole / 4; }

// Returns how many requests one client may send in a minute, if the other clients leave `left`
// requests. A first step must leave a quarter of these requests.
std::size_t share(std::size_t left, bool is_first_step) {
  const std::size_t all = std::max<std::size_t>(three_quarters(left), 1);
  return is_first_step ? std::max<std::size_t>(three_quarters(all), 1) : all;
}

}  // namespace

std::chrono::milliseconds RequestLog::wait_below(std::size_t limit, SteadyTime now) const {
  const std::size_t allowed = allowed_below(limit);
  if (per_minute_ == 0 || sent_.size() < allowed) return std::chrono::milliseconds(0);
  const SteadyTime free_at = sent_[sent_.size() - allowed].at + kMinute;
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(free_at - now),
                  std::chrono::milliseconds(0));
}

// Waits until enough of the oldest requests are a minute old for one more request to fit.
std::chrono::milliseconds RequestLog::wait_of(const IpAddress& client, bool is_first_step,
                                              SteadyTime now) const {
  if (client == IpAddress()) return is_first_step ? first_step_wait(now) : wait(now);
  if (per_minute_ == 0) return std::chrono::milliseconds(0);
  const std::size_t allowed = allowed_below(per_minute_);
  auto mine = static_cast<std::size_t>(std::count_if(
      sent_.begin(), sent_.end(), [&](const Sent& sent) { return sent.client == client; }));
  std::size_t others = sent_.size() - mine;
  SteadyTime free_at = now;
  for (const Sent& oldest : sent_) {
    assert(others <= allowed);
    const bool is_old = oldest.at + kMinute <= now;
    if (!is_old && mine + others < allowed && mine < share(allowed - others, is_first_step)) break;
    free_at = std::max(now, oldest.at + kMinute);
    --(oldest.client == client ? mine : others);
  }
  return std::chrono::ceil<std::chrono::milliseconds>(free_at - now);
}

std::size_t RequestLog::sent_by(const IpAddress& client, SteadyTime now) const {
  return static_cast<std::size_t>(std::count_if(sent_.begin(), sent_.end(), [&](const Sent& sent) {
    return sent.client == client && sent.at + kMinute > now;
  }));
}

void RequestLog::note(SteadyTime now, const IpAddress& client) {
  assert(sent_.empty() || sent_.back().at <= now);
  sent_.push_back({now, client});
  const std::size_t most = per_minute_ == 0 ? kRemembered : allowed_below(per_minute_);
  while (sent_.size() > most) sent_.pop_front();
}

void RequestLog::drain(SteadyTime now) {
  for (std::size_t i = 1; i < per_minute_; ++i) note(now);
}

}  // namespace layby::policy
