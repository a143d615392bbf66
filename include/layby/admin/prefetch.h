// SPDX-License-Identifier: Apache-2.0
//
// The daemon's answers to `layby prefetch` over the Unix socket, in JSON. Pure.

#ifndef LAYBY_ADMIN_PREFETCH_H_
#define LAYBY_ADMIN_PREFETCH_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layby/cache/prefetch.h"
#include "layby/policy/quota.h"

namespace layby::admin {

// One mistake in the prefetch list.
struct ListFault {
  int line = 0;
  std::string path;
  std::string message;
};

struct PrefetchStatus {
  std::string list;           // The list's file; empty for none.
  std::string state = "off";  // "off", "idle", "running", "waiting"
  std::string reason;         // Why no run can begin or go on now; empty if a run can.
  std::uint64_t run = 0;      // Number of the present or last run; 0: no run yet.
  std::string result;         // How the last run ended: "done", "failed", "stopped".
  std::optional<std::chrono::seconds> next_run;
  std::vector<ListFault> faults;
  cache::PrefetchReport report;
};

// The answer to GET /prefetch.
std::string prefetch_json(const PrefetchStatus& status);

// The pull limit of one upstream, for a plan.
struct PlannedQuota {
  std::string upstream;
  std::optional<policy::QuotaState> quota;
  policy::QuotaReserve reserve;
};

// The answer to GET /prefetch/plan.
std::string plan_json(const cache::PrefetchReport& plan, const std::vector<PlannedQuota>& quotas);

}  // namespace layby::admin

#endif  // LAYBY_ADMIN_PREFETCH_H_
