// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby prefetch --plan`: what a run would fetch, whether the cache holds
// it and how long the upstreams' pull limits make it take. Pure.

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

// `plan` is the body of GET /prefetch/plan, asked `with_sizes` or without; kInvalid
// when it can't be that.
Result<PrefetchPlan> prefetch_plan(const std::string& plan, bool with_sizes, const Screen& screen);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_PREFETCH_PLAN_H_
