// SPDX-License-Identifier: Apache-2.0
//
// What `layby prefetch` asks the daemon over the Unix socket, as JSON. Pure.

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

// What is wrong with the list.
struct ListFault {
  int line = 0;
  std::string path;
  std::string message;
};

struct PrefetchStatus {
  std::string list;           // The file; empty for none.
  std::string state = "off";  // "off", "idle", "running", "waiting"
  std::string reason;         // Why it waits.
  std::uint64_t run = 0;      // The present one or the last; 0 before the first.
  std::string result;         // Of that: "", "done", "failed", "stopped"
  std::optional<std::chrono::seconds> next_run;
  std::vector<ListFault> faults;
  cache::PrefetchReport report;
};

// GET /prefetch.
std::string prefetch_json(const PrefetchStatus& status);

// The pull limit of one upstream, for a plan.
struct PlannedQuota {
  std::string upstream;
  std::optional<policy::QuotaState> quota;
  policy::QuotaReserve reserve;
};

// GET /prefetch/plan.
std::string plan_json(const cache::PrefetchReport& plan, const std::vector<PlannedQuota>& quotas);

}  // namespace layby::admin

#endif  // LAYBY_ADMIN_PREFETCH_H_
