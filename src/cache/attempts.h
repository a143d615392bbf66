// SPDX-License-Identifier: Apache-2.0
//
// Retries one upstream request as policy::next_retry() allows. Counts the failed attempts, and
// owns the timer of the next attempt.

#ifndef LAYBY_CACHE_ATTEMPTS_H_
#define LAYBY_CACHE_ATTEMPTS_H_

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

#include "layby/base/async.h"
#include "layby/base/counters.h"
#include "layby/base/random.h"
#include "layby/base/result.h"
#include "layby/policy/retry.h"

namespace layby::cache {

class Attempts {
 public:
  Attempts(const policy::RetryRules& rules, Timers& timers, Counters& counters)
      : rules_(rules), timers_(timers), counters_(counters) {}

  // Call this after an attempt failed with `error`. Returns true and calls `again` after a wait,
  // or returns false when no further attempt should be made.
  bool retry(const Error& error, std::function<void()> again) {
    ++failed_;
    return wait(error, std::move(again));
  }

  // The same after the failure of a request that wasn't an attempt. Some attempt is left.
  bool retry_uncounted(const Error& error, std::function<void()> again) {
    return wait(error, std::move(again));
  }

  // The attempt made progress, so the count of failures begins anew.
  void on_progress() { failed_ = 0; }

  // Ends the wait; no further attempt is made.
  void cancel() { wait_.reset(); }

 private:
  bool wait(const Error& error, std::function<void()> again) {
    assert(again);
    const auto delay = policy::next_retry(rules_, std::max(failed_, 1), error, random_share());
    if (!delay) return false;
    count(counters_.upstream_retries);
    wait_ = timers_.after(*delay, std::move(again));
    return true;
  }

  const policy::RetryRules& rules_;
  Timers& timers_;
  Counters& counters_;
  int failed_ = 0;
  Handle wait_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_ATTEMPTS_H_
