// SPDX-License-Identifier: Apache-2.0
//
// The state of the daemon at one moment, as plain values, and its renderings. The app gathers
// a Snapshot on the loop thread; the renderings are pure. src/admin/figures.cpp declares each
// figure once.

#ifndef LAYBY_ADMIN_SNAPSHOT_H_
#define LAYBY_ADMIN_SNAPSHOT_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/admin/prefetch.h"
#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/cache/operator_store.h"

namespace layby::admin {

struct FillProgress {
  std::string upstream;
  std::string repository;
  std::string digest;
  std::string state;                        // "streaming", "backing_off", …
  std::uint64_t received_bytes = 0;         // Written and hashed.
  std::optional<std::uint64_t> size_bytes;  // Known once upstream has answered.
  int readers = 0;
  bool kept = true;  // The blob will be stored.
  bool background = false;
};

// A tag that was found to point to another image than before.
struct MoveState {
  std::string image;
  std::string from;
  std::string to;
  std::optional<std::uint64_t> fetch_bytes;
  std::chrono::seconds ago{0};
};

struct UpstreamState {
  std::string name;
  std::string url;
  std::string_view link = "up";          // "up", "doubtful" after a failure, or "down".
  std::chrono::seconds link_seconds{0};  // How long the link hasn't been up.
  // How long a 429 still holds back all requests, or only the requests for manifests.
  std::chrono::seconds throttled{0};
  std::chrono::seconds pulls_throttled{0};
  std::optional<std::string_view> parent_link;  // nullopt without a parent.
  std::optional<std::uint64_t> quota_limit;
  std::optional<std::uint64_t> quota_remaining;
  std::chrono::seconds quota_window{0};
};

struct Snapshot {
  std::string version;
  std::chrono::seconds uptime{0};
  std::string listen;  // The address really bound, "0.0.0.0:5000".
  std::uint64_t connections = 0;
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
  std::uint64_t manifest_bytes = 0;
  std::uint64_t tags = 0;
  std::uint64_t partial_bytes = 0;
  std::uint64_t index_bytes = 0;
  bool full = false;
  std::optional<std::uint64_t> disk_bytes_written;  // nullopt if not counted.
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t disk_total_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::vector<UpstreamState> upstreams;
  std::vector<FillProgress> fills;
  std::vector<MoveState> moves;      // Oldest first.
  std::vector<std::string> notices;  // Lines of the file of `layby serve --notices`.
  PrefetchStatus prefetch;
  cache::ScrubStatus scrub;
  WallTime now;
  const Counters* counters = nullptr;  // Never null when rendered.
};

// GET /stats: one JSON object; its fields are described in docs/stats.md.
std::string stats_json(const Snapshot& snapshot);

// GET /metrics: Prometheus text exposition format 0.0.4, names "layby_…".
std::string metrics_text(const Snapshot& snapshot);

// docs/stats.md.
std::string stats_reference();

}  // namespace layby::admin

#endif  // LAYBY_ADMIN_SNAPSHOT_H_
