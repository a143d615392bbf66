// SPDX-License-Identifier: Apache-2.0
//
// Decides when a failed upstream request is sent again. The functions are pure.

#ifndef LAYBY_POLICY_RETRY_H_
#define LAYBY_POLICY_RETRY_H_

#include <chrono>
#include <cstdint>
#include <optional>

#include "layby/base/result.h"

namespace layby::policy {

struct RetryRules {
  int max_attempts = 4;  // Includes the first attempt.
  std::chrono::milliseconds first_delay{200};
  std::chrono::milliseconds max_delay{5000};

  bool operator==(const RetryRules&) const = default;
};

// The wait before the next attempt; nullopt when no further attempt should be made. `attempts_made`
// attempts (1 or more) have failed, the last attempt with `error`. The delay doubles from
// first_delay to max_delay; `jitter` in [0, 1) spreads the wait over the upper half of the delay. A
// declined error is never worth another attempt. Other errors are worth another attempt only if
// they are kUnavailable, kTimedOut, kCorrupt, or kThrottled with a retry_after of at most
// max_delay. The wait is at least retry_after, or at least max_delay if retry_after is longer.
std::optional<std::chrono::milliseconds> next_retry(const RetryRules& rules, int attempts_made,
                                                    const Error& error, double jitter);

// Whether a fill has made enough progress to forget its failed attempts: `new_bytes` is at least 1
// MiB, or more than a 16th of the blob. `new_bytes` counts the bytes of all attempts since the
// failed attempts were last forgotten. So at most max_attempts * (17 + S / 1 MiB) requests are sent
// for a blob of S bytes, even if upstream cuts off every transfer. `size_bytes` is nullopt while
// the size is unknown.
bool is_real_progress(std::uint64_t new_bytes, std::optional<std::uint64_t> size_bytes);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_RETRY_H_
