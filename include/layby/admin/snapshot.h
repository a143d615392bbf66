// SPDX-License-Identifier: Apache-2.0
//
// The state of the daemon at one moment, in plain values, and its renderings as text. src/app
// gathers a Snapshot on the loop thread; the renderings are pure. src/admin/figures.cpp declares
// each figure once.

#ifndef LAYBY_ADMIN_SNAPSHOT_H_
#define LAYBY_ADMIN_SNAPSHOT_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layby/admin/prefetch.h"
#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/cache/cache.h"
#include "layby/cache/guard.h"
#include "layby/cache/operator_store.h"
#include "layby/cache/store.h"
#include "layby/policy/quota.h"

namespace layby::admin {

struct UpstreamState {
  std::string name;
  std::string url;
  cache::GuardStatus registry;
  std::optional<cache::GuardStatus> parent;  // nullopt if there is no parent.
  std::optional<policy::QuotaState> quota;   // nullopt while the upstream states no limit.
};

struct Snapshot {
  std::string version;
  std::chrono::seconds uptime{0};
  std::string listen;  // The address that is bound: "0.0.0.0:5000".
  bool draining = false;
  std::uint64_t connections = 0;
  cache::StoreUsage store;
  bool full = false;
  std::optional<std::uint64_t> disk_bytes_written;  // nullopt if unknown.
  std::uint64_t resident_bytes = 0;
  std::vector<UpstreamState> upstreams;
  std::vector<cache::FillStatus> fills;
  std::vector<cache::TagMove> moves;  // Oldest first.
  std::vector<std::string> notices;   // Lines of the file of `layby serve --notices`.
  std::uint64_t log_dropped_lines = 0;
  std::uint64_t config_faults = 0;
  PrefetchStatus prefetch;
  cache::ScrubStatus scrub;
  WallTime now;
  const Counters* counters = nullptr;  // Never null when rendered.
};

// The answer to GET /stats: one JSON object, whose fields docs/stats.md describes.
std::string stats_json(const Snapshot& snapshot);

// The answer to GET /metrics: Prometheus text exposition format 0.0.4, with names "layby_…".
std::string metrics_text(const Snapshot& snapshot);

// The text of docs/stats.md.
std::string stats_reference();

}  // namespace layby::admin

#endif  // LAYBY_ADMIN_SNAPSHOT_H_
