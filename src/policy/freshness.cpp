// SPDX-License-Identifier: Apache-2.0
//
// Freshness of tags and the silence after failures. Times come in as values; the
// only state is how often in a row upstream failed.

#include "layby/policy/freshness.h"

#include <algorithm>

namespace layby::policy {
namespace {

constexpr std::chrono::seconds kFirstSilence{1};
constexpr std::chrono::seconds kLongestSilence{30};
constexpr int kMaxDoublings = 5;  // 2^5 s is above the longest silence.

}  // namespace

Freshness tag_freshness(WallTime checked_at, WallTime now, std::chrono::milliseconds fresh_for) {
  if (checked_at > now) return Freshness::kStale;
  // In milliseconds: fresh_for in nanoseconds could pass 64 bits.
  const auto age = std::chrono::floor<std::chrono::milliseconds>(now - checked_at);
  return age < fresh_for ? Freshness::kFresh : Freshness::kStale;
}

void Backoff::on_failure(SteadyTime now) {
  // Requests that were under way when the silence began fail in it as well. They say
  // nothing new: a hundred at once must not stretch the first second to thirty.
  if (silent_at(now)) return;
  const int doublings = std::min(failures_, kMaxDoublings);
  until_ = now + std::min(kFirstSilence * (1 << doublings), kLongestSilence);
  failures_ = doublings + 1;
}

void Backoff::on_success() { failures_ = 0; }

bool Backoff::silent_at(SteadyTime now) const { return failures_ > 0 && now < until_; }

}  // namespace layby::policy
