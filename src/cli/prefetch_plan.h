// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby prefetch --plan`: what a run would fetch, whether the cache has room,
// and how long the run takes under the upstreams' pull limits. Pure.

#ifndef LAYBY_SRC_CLI_PREFETCH_PLAN_H_
#define LAYBY_SRC_CLI_PREFETCH_PLAN_H_

#include <string>

#include "cli/screen.h"
#include "layby/base/result.h"

namespace layby::cli {

struct PrefetchPlan {
  std::string page;
  bool all_found = true;  // Whether every image of the list can be fetched.
};

// `plan` is the body of GET /prefetch/plan; kInvalid for any other text. `with_sizes` says whether
// the request asked for sizes.
Result<PrefetchPlan> prefetch_plan(const std::string& plan, bool with_sizes, const Screen& screen);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_PREFETCH_PLAN_H_
