// SPDX-License-Identifier: Apache-2.0
//
// One upstream request that is made again after a failure, as policy::next_retry
// allows: counts the attempts and holds the wait between two of them.

#ifndef LAYBY_CACHE_ATTEMPTS_H_
#define LAYBY_CACHE_ATTEMPTS_H_

#include <functional>
#include <random>
#include <utility>

#include "layby/base/counters.h"
#include "layby/base/result.h"
#include "layby/cache/async.h"
#include "layby/policy/retry.h"

namespace layby::cache {

class Attempts {
 public:
  Attempts(const policy::RetryRules& rules, Timers& timers, Counters& counters)
      : rules_(rules), timers_(timers), counters_(counters) {}

  // The last attempt failed with `error`: calls `again` after a wait and returns true,
  // or returns false when it is time to give up.
  bool retry(const Error& error, std::function<void()> again) {
    ++failed_;
    const auto delay = policy::next_retry(rules_, failed_, error, jitter());
    if (!delay) return false;
    count(counters_.upstream_retries);
    wait_ = timers_.after(*delay, std::move(again));
    return true;
  }

  // Something was gained: the count begins anew.
  void on_progress() { failed_ = 0; }

  // No other attempt is made.
  void cancel() { wait_.reset(); }

 private:
  static double jitter() {
    static thread_local std::minstd_rand engine{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
  }

  const policy::RetryRules& rules_;
  Timers& timers_;
  Counters& counters_;
  int failed_ = 0;
  Handle wait_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_ATTEMPTS_H_
