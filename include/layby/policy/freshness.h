// SPDX-License-Identifier: Apache-2.0
//
// Whether a cached tag may be served as it is. Pure: values in, values out.

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

}  // namespace layby::policy

#endif  // LAYBY_POLICY_FRESHNESS_H_
