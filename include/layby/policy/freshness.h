// SPDX-License-Identifier: Apache-2.0
//
// Whether a cached tag may be served as it is, and when upstream is spared the
// question because it did not answer a moment ago. Pure but for the Backoff's state.

#ifndef LAYBY_POLICY_FRESHNESS_H_
#define LAYBY_POLICY_FRESHNESS_H_

#include <chrono>

#include "layby/base/clock.h"

namespace layby::policy {

enum class Freshness {
  kFresh,  // Serve it.
  kStale,  // Ask upstream by HEAD; serve it when that fails.
};

// `checked_at` in the future (a clock that was set back) counts as stale.
Freshness tag_freshness(WallTime checked_at, WallTime now, std::chrono::milliseconds fresh_for);

// Remembers that upstream failed, so that the next revalidations do not pay the same
// time-out again: silent for 1 s after the first failure, doubling to 30 s; the first
// success ends it. A failure reported in the silence (a request that was under way when
// it began) changes nothing.
class Backoff {
 public:
  void on_failure(SteadyTime now);
  void on_success();
  bool silent_at(SteadyTime now) const;

 private:
  int failures_ = 0;
  SteadyTime until_{};
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_FRESHNESS_H_
