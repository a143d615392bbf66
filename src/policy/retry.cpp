// SPDX-License-Identifier: Apache-2.0
//
// Delays grow exponentially, with jitter over the upper half. The jitter spreads the retries of
// requests that failed together. The lower half keeps every delay away from zero.

#include "layby/policy/retry.h"

#include <algorithm>
#include <cassert>
#include <cstdint>

namespace layby::policy {
namespace {

bool is_worth_another(const RetryRules& rules, const Error& error) {
  if (error.declined) return false;
  switch (error.code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimedOut:
    case ErrorCode::kCorrupt:
      return true;
    case ErrorCode::kThrottled:
      // In seconds, because retry_after in milliseconds can overflow 64 bits.
      return error.retry_after &&
             *error.retry_after <= std::chrono::floor<std::chrono::seconds>(rules.max_delay);
    default:
      return false;
  }
}

std::chrono::milliseconds doubled(const RetryRules& rules, int attempts_made) {
  std::chrono::milliseconds delay = std::min(rules.first_delay, rules.max_delay);
  for (int i = 1; i < attempts_made && delay < rules.max_delay; ++i) {
    delay = delay > rules.max_delay / 2 ? rules.max_delay : delay * 2;
  }
  return delay;
}

// An attempt that brings this many bytes, or 1/kProgressPart of the blob, makes real progress.
constexpr std::uint64_t kProgressBytes = 1 << 20;
constexpr std::uint64_t kProgressPart = 16;

}  // namespace

std::optional<std::chrono::milliseconds> next_retry(const RetryRules& rules, int attempts_made,
                                                    const Error& error, double jitter) {
  assert(attempts_made >= 1 && jitter >= 0 && jitter < 1);
  if (attempts_made >= rules.max_attempts || !is_worth_another(rules, error)) return std::nullopt;
  const std::chrono::milliseconds half = doubled(rules, attempts_made) / 2;
  const std::chrono::milliseconds spread(
      static_cast<std::int64_t>(static_cast<double>(half.count()) * jitter));
  const std::chrono::milliseconds delay = half + spread;
  if (!error.retry_after) return delay;
  // The wait is at least as long as upstream asks, up to max_delay.
  const auto asked =
      std::min(*error.retry_after, std::chrono::floor<std::chrono::seconds>(rules.max_delay));
  return std::max<std::chrono::milliseconds>(delay, asked);
}

bool is_real_progress(std::uint64_t new_bytes, std::optional<std::uint64_t> size_bytes) {
  const std::uint64_t part = size_bytes ? *size_bytes / kProgressPart + 1 : kProgressBytes;
  return new_bytes >= std::min(part, kProgressBytes);
}

}  // namespace layby::policy
