// SPDX-License-Identifier: Apache-2.0
//
// A new request may be sent if the last minute, the new request included, then has fewer requests
// than the limit. So the request that is `limit - 1` requests earlier must be a minute old.
//
// Invariant: times_ ascend.

#include "layby/policy/request_log.h"

#include <algorithm>
#include <cassert>

namespace layby::policy {
namespace {

constexpr std::chrono::minutes kMinute{1};

}  // namespace

std::chrono::milliseconds RequestLog::wait_below(std::size_t limit, SteadyTime now) const {
  // A limit of 1 allows one request, because fewer than 1 would be no request at all.
  const std::size_t allowed = std::max<std::size_t>(limit, 2) - 1;
  if (per_minute_ == 0 || times_.size() < allowed) return std::chrono::milliseconds(0);
  const SteadyTime free_at = times_[times_.size() - allowed] + kMinute;
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(free_at - now),
                  std::chrono::milliseconds(0));
}

void RequestLog::note(SteadyTime now) {
  if (per_minute_ == 0) return;
  assert(times_.empty() || times_.back() <= now);
  times_.push_back(now);
  while (times_.size() > std::max<std::size_t>(per_minute_, 2) - 1) times_.pop_front();
}

void RequestLog::drain(SteadyTime now) {
  for (std::size_t i = 1; i < per_minute_; ++i) note(now);
}

}  // namespace layby::policy
