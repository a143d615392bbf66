// SPDX-License-Identifier: Apache-2.0
//
// The figures of /stats. Ratios and sums are computed here from the counters, so that a reader of
// /stats doesn't have to calculate.

#include "admin/figures.h"

#include <algorithm>
#include <cassert>

#include "layby/admin/images.h"

namespace layby::admin {
namespace {

std::uint64_t load(const std::atomic<std::uint64_t>& counter) {
  return counter.load(std::memory_order_relaxed);
}

std::uint64_t hits(const Snapshot& s) {
  return load(s.counters->blob_hits) + load(s.counters->manifest_hits);
}
std::uint64_t misses(const Snapshot& s) {
  return load(s.counters->blob_misses) + load(s.counters->manifest_misses);
}
std::uint64_t shared(const Snapshot& s) {
  return load(s.counters->blob_shared) + load(s.counters->manifest_shared);
}

Value hit_ratio(const Snapshot& s) {
  const std::uint64_t spared = hits(s) + shared(s);
  const std::uint64_t all = spared + misses(s);
  if (all == 0) return {};
  return static_cast<double>(spared) / static_cast<double>(all);
}

std::uint64_t upstream_requests(const Snapshot& s) {
  const Counters& c = *s.counters;
  return load(c.upstream_manifest_gets) + load(c.upstream_manifest_heads) +
         load(c.upstream_blob_gets) + load(c.upstream_blob_heads) + load(c.upstream_token_gets) +
         load(c.upstream_other_gets);
}

template <typename T>
Value optional_value(const std::optional<T>& value) {
  return value ? Value(*value) : Value();
}

Value seconds_value(std::chrono::seconds duration) {
  assert(duration.count() >= 0);
  return static_cast<std::uint64_t>(duration.count());
}

std::uint64_t failed_images(const Snapshot& s) {
  const auto& tags = s.prefetch.report.tags;
  return static_cast<std::uint64_t>(std::count_if(
      tags.begin(), tags.end(),
      [](const cache::PrefetchTag& tag) { return tag.state == cache::PrefetchState::kFailed; }));
}

Value write_ratio(const Snapshot& s) {
  const std::uint64_t received = load(s.counters->upstream_bytes);
  if (received == 0 || !s.disk_bytes_written) return {};
  return static_cast<double>(*s.disk_bytes_written) / static_cast<double>(received);
}

// 0 if `then` is in the future, because a clock was set back.
Value seconds_since(WallTime then, WallTime now) {
  const auto since = std::chrono::floor<std::chrono::seconds>(now - then);
  return seconds_value(std::max(since, std::chrono::seconds(0)));
}

Value since_last_pass(const Snapshot& s) {
  return s.scrub.last_ended ? seconds_since(*s.scrub.last_ended, s.now) : Value();
}

Value link_text(const cache::GuardStatus& status) {
  switch (status.link) {
    case policy::Breaker::State::kClosed:
      return "up";
    case policy::Breaker::State::kDoubtful:
      return "doubtful";
    case policy::Breaker::State::kOpen:
      return "down";
  }
  return {};
}

}  // namespace

const std::vector<Figure<Snapshot>>& snapshot_figures() {
  using S = const Snapshot&;
  static const std::vector<Figure<Snapshot>> figures{
      {"version", "", "", "The program's version.", [](S s) -> Value { return s.version; }},
      {"uptime_seconds", "seconds", "uptime_seconds", "Time since the daemon started.",
       [](S s) { return seconds_value(s.uptime); }},
      {"listen", "", "", "The address that clients connect to.",
       [](S s) -> Value { return s.listen; }},
      {"draining", "", "draining",
       "True while the daemon is about to end, and load balancers should send requests elsewhere.",
       [](S s) -> Value { return s.draining; }},
      {"connections", "connections", "connections", "Client connections open now.",
       [](S s) -> Value { return s.connections; }},
      {"resident_bytes", "bytes", "resident_bytes", "Memory of the daemon in RAM.",
       [](S s) -> Value { return s.resident_bytes; }},
      {"config.faults", "", "config_faults",
       "Faults of the configuration's file that keep changes from taking effect; see `notices`.",
       [](S s) -> Value { return s.config_faults; }},
      {"log.dropped_lines", "lines", "log_dropped_lines",
       "Lines of the log that were dropped, because nobody read stderr.",
       [](S s) -> Value { return s.log_dropped_lines; }},

      {"requests.total", "requests", "", "Requests that were answered.",
       [](S s) -> Value { return load(s.counters->requests); }},
      {"requests.errors", "requests", "",
       "Requests that were answered with a status of 400 or more.",
       [](S s) -> Value { return load(s.counters->request_errors); }},

      {"cache.hits", "requests", "", "Blobs and manifests served from the store.",
       [](S s) -> Value { return hits(s); }},
      {"cache.misses", "requests", "", "Blobs and manifests that had to be asked for upstream.",
       [](S s) -> Value { return misses(s); }},
      {"cache.shared", "requests", "",
       "Requests that joined an upstream request already in flight.",
       [](S s) -> Value { return shared(s); }},
      {"cache.hit_ratio", "ratio", "cache_hit_ratio",
       "Share of hits and shared requests among all hits, misses and shared requests, 0 to 1; "
       "null before the first request.",
       hit_ratio},
      {"cache.stale_served", "requests", "", "Tags served from the cache because upstream failed.",
       [](S s) -> Value { return load(s.counters->stale_served); }},
      {"cache.bytes_from_cache", "bytes", "", "Blob bytes sent from stored blobs.",
       [](S s) -> Value { return load(s.counters->blob_bytes_from_cache); }},
      {"cache.bytes_from_fills", "bytes", "", "Blob bytes sent from downloads in flight.",
       [](S s) -> Value { return load(s.counters->blob_bytes_from_fills); }},
      {"cache.bytes_from_upstream", "bytes", "", "Bytes received from upstream.",
       [](S s) -> Value { return load(s.counters->upstream_bytes); }},
      {"cache.bytes_saved", "bytes", "",
       "Blob bytes sent to clients without using the link to upstream, in all runs of the daemon.",
       [](S s) -> Value { return load(s.counters->saved_bytes); }},
      {"cache.bytes_prefetched", "bytes", "",
       "Blob bytes received from upstream while no client waited, in all runs of the daemon.",
       [](S s) -> Value { return load(s.counters->prefetched_bytes); }},

      {"upstream.requests", "requests", "", "Requests sent upstream, of all kinds.",
       [](S s) -> Value { return upstream_requests(s); }},
      {"upstream.manifest_gets", "requests", "", "Manifest requests; these count as pulls.",
       [](S s) -> Value { return load(s.counters->upstream_manifest_gets); }},
      {"upstream.manifest_heads", "requests", "", "Tag checks; these don't count as pulls.",
       [](S s) -> Value { return load(s.counters->upstream_manifest_heads); }},
      {"upstream.blob_gets", "requests", "", "Blob requests; a resumed blob counts again.",
       [](S s) -> Value { return load(s.counters->upstream_blob_gets); }},
      {"upstream.blob_heads", "requests", "", "Requests for the size of a blob.",
       [](S s) -> Value { return load(s.counters->upstream_blob_heads); }},
      {"upstream.token_gets", "requests", "", "Token requests.",
       [](S s) -> Value { return load(s.counters->upstream_token_gets); }},
      {"upstream.other_gets", "requests", "", "Requests for tag lists and referrers.",
       [](S s) -> Value { return load(s.counters->upstream_other_gets); }},
      {"upstream.failures", "requests", "", "Requests that got no answer, a 429 or a 5xx.",
       [](S s) -> Value { return load(s.counters->upstream_failures); }},
      {"upstream.retries", "requests", "", "Requests repeated after a failure.",
       [](S s) -> Value { return load(s.counters->upstream_retries); }},
      {"upstream.throttled", "requests", "", "Answers with status 429.",
       [](S s) -> Value { return load(s.counters->upstream_throttled); }},

      {"store.blobs", "blobs", "store_blobs", "Blobs stored.",
       [](S s) -> Value { return s.store.blobs; }},
      {"store.blob_bytes", "bytes", "store_blob_bytes", "Size of the stored blobs.",
       [](S s) -> Value { return s.store.blob_bytes; }},
      {"store.manifests", "manifests", "store_manifests", "Manifests stored.",
       [](S s) -> Value { return s.store.manifests; }},
      {"store.tags", "tags", "store_tags", "Known tags.",
       [](S s) -> Value { return s.store.tags; }},
      {"store.manifest_bytes", "bytes", "store_manifest_bytes", "Size of the stored manifests.",
       [](S s) -> Value { return s.store.manifest_bytes; }},
      {"store.partial_bytes", "bytes", "store_partial_bytes", "Bytes of incomplete blobs.",
       [](S s) -> Value { return s.store.partial_bytes; }},
      {"store.index_bytes", "bytes", "store_index_bytes",
       "Size of the index file, which includes the manifests.",
       [](S s) -> Value { return s.store.index_bytes; }},
      {"store.full", "", "store_full",
       "True while there is no room: new blobs pass through without being stored.",
       [](S s) -> Value { return s.full; }},
      {"store.evicted_bytes", "bytes", "", "Size of the blobs that were deleted to make room.",
       [](S s) -> Value { return load(s.counters->evicted_bytes); }},
      {"store.disk_free_bytes", "bytes", "store_disk_free_bytes",
       "Free space on the store's file system.",
       [](S s) -> Value { return s.store.disk_free_bytes; }},
      {"store.disk_total_bytes", "bytes", "store_disk_total_bytes",
       "Size of the store's file system.", [](S s) -> Value { return s.store.disk_total_bytes; }},
      {"store.bytes_written", "bytes", "", "Bytes written to the disk for blobs.",
       [](S s) -> Value { return load(s.counters->store_bytes_written); }},
      {"store.disk_bytes_written", "bytes", "store_disk_bytes_written",
       "All bytes that the daemon wrote to the disk, as the kernel counts them; null if the "
       "kernel doesn't.",
       [](S s) { return optional_value(s.disk_bytes_written); }},
      {"store.write_ratio", "ratio", "store_write_ratio",
       "Bytes written to the disk for each byte received from upstream; null before the first "
       "byte.",
       write_ratio},

      {"prefetch.state", "", "",
       "off (no list), idle, running, or waiting (a run that can't continue now).",
       [](S s) -> Value { return s.prefetch.state; }},
      {"prefetch.reason", "", "", "Why prefetch waits or is off.",
       [](S s) -> Value { return s.prefetch.reason; }},
      {"prefetch.result", "", "", "Result of the last run: done, failed or stopped.",
       [](S s) -> Value { return s.prefetch.result; }},
      {"prefetch.next_run_seconds", "seconds", "",
       "Time until the next run; null if none is planned.",
       [](S s) -> Value {
         return s.prefetch.next_run ? seconds_value(*s.prefetch.next_run) : Value();
       }},
      {"prefetch.images", "images", "prefetch_images", "Tags in the present or last run.",
       [](S s) -> Value { return static_cast<std::uint64_t>(s.prefetch.report.tags.size()); }},
      {"prefetch.failed", "images", "prefetch_failed_images",
       "Tags that failed in the present or last run.",
       [](S s) -> Value { return failed_images(s); }},
      {"prefetch.bytes_total", "bytes", "prefetch_bytes",
       "Bytes that the present or last run has to fetch.",
       [](S s) -> Value { return s.prefetch.report.bytes_total; }},
      {"prefetch.bytes_done", "bytes", "prefetch_bytes_done",
       "Bytes that the present or last run has fetched.",
       [](S s) -> Value { return s.prefetch.report.bytes_done; }},
      {"prefetch.faults", "", "prefetch_list_faults", "Faults of the prefetch list.",
       [](S s) -> Value { return static_cast<std::uint64_t>(s.prefetch.faults.size()); }},
      {"prefetch.troubles", "", "prefetch_troubles",
       "Patterns that match no tag, and lists of tags that could not be had, in the present or "
       "last "
       "run.",
       [](S s) -> Value { return static_cast<std::uint64_t>(s.prefetch.report.troubles.size()); }},
      {"prefetch.trouble", "", "", "The first trouble of the prefetch list.",
       [](S s) -> Value {
         return s.prefetch.report.troubles.empty() ? std::string()
                                                   : s.prefetch.report.troubles.front();
       }},

      {"scrub.running", "", "", "Whether stored blobs are being verified now.",
       [](S s) -> Value { return s.scrub.running; }},
      {"scrub.on_demand", "", "",
       "Whether `layby verify` started the pass, which then runs at full speed.",
       [](S s) -> Value { return s.scrub.on_demand; }},
      {"scrub.rebuilding", "", "",
       "Whether the stored blobs are being put back into an index that was lost.",
       [](S s) -> Value { return s.scrub.rebuilding; }},
      {"scrub.checked_blobs", "blobs", "", "Blobs verified in the present or last pass.",
       [](S s) -> Value { return s.scrub.checked_blobs; }},
      {"scrub.checked_bytes", "bytes", "", "Size of the verified blobs.",
       [](S s) -> Value { return s.scrub.checked_bytes; }},
      {"scrub.bad_blobs", "blobs", "scrub_bad_blobs",
       "Damaged blobs found in the present or last pass.",
       [](S s) -> Value { return s.scrub.bad_blobs; }},
      {"scrub.last_pass_seconds", "seconds", "scrub_last_pass_seconds",
       "Time since the last pass ended; null if none has ended.", since_last_pass},
  };
  return figures;
}

const std::vector<Figure<UpstreamState>>& upstream_figures() {
  using U = const UpstreamState&;
  static const std::vector<Figure<UpstreamState>> figures{
      {"name", "", "", "The upstream's name in the configuration.",
       [](U u) -> Value { return u.name; }},
      {"url", "", "", "The upstream's address.", [](U u) -> Value { return u.url; }},
      {"reachable", "", "upstream_reachable",
       "False while the upstream is considered down; cached tags are then served unchecked.",
       [](U u) -> Value { return u.registry.link != policy::Breaker::State::kOpen; }},
      {"link", "", "", "up, doubtful (a request failed a moment ago) or down.",
       [](U u) -> Value { return link_text(u.registry); }},
      {"link_seconds", "seconds", "", "How long the link hasn't been up; 0 while it is up.",
       [](U u) -> Value { return seconds_value(u.registry.link_since); }},
      {"error", "", "", "The last failure of the upstream; empty after an answer.",
       [](U u) -> Value { return u.registry.error; }},
      {"throttled_seconds", "seconds", "upstream_throttled_seconds",
       "How long no request is sent to the upstream, because it answered 429.",
       [](U u) -> Value { return seconds_value(u.registry.throttled_for); }},
      {"pulls_throttled_seconds", "seconds", "upstream_pulls_throttled_seconds",
       "How long no manifest is requested, because the pull limit is used up.",
       [](U u) -> Value { return seconds_value(u.registry.pulls_throttled_for); }},
      {"parent_link", "", "",
       "The link to the parent: up, doubtful or down; null without a parent.",
       [](U u) -> Value { return u.parent ? link_text(*u.parent) : Value(); }},
      {"parent_error", "", "",
       "The last failure of the parent, such as a loop; empty after an answer, null without a "
       "parent.",
       [](U u) -> Value { return u.parent ? Value(u.parent->error) : Value(); }},
      {"quota.limit", "pulls", "upstream_quota_limit",
       "Pulls that the upstream allows in a window; null if it states no limit.",
       [](U u) { return u.quota ? Value(u.quota->limit.count) : Value(); }},
      {"quota.remaining", "pulls", "upstream_quota_remaining", "Pulls left in the window.",
       [](U u) { return u.quota ? Value(u.quota->remaining.count) : Value(); }},
      {"quota.window_seconds", "seconds", "",
       "Length of the window; null if the upstream doesn't state it.",
       [](U u) -> Value {
         const auto window = u.quota ? u.quota->limit.window : std::chrono::seconds(0);
         return window.count() > 0 ? seconds_value(window) : Value();
       }},
  };
  return figures;
}

const std::vector<Figure<cache::FillStatus>>& fill_figures() {
  using F = const cache::FillStatus&;
  static const std::vector<Figure<cache::FillStatus>> figures{
      {"upstream", "", "", "The upstream that the blob comes from.",
       [](F f) -> Value { return f.upstream; }},
      {"repository", "", "", "The repository in which the blob was first requested.",
       [](F f) -> Value { return f.repository; }},
      {"digest", "", "", "The blob's digest.", [](F f) -> Value { return f.digest; }},
      {"state", "", "", "The state of the download.",
       [](F f) -> Value { return std::string(f.state); }},
      {"received_bytes", "bytes", "", "Bytes received, written and hashed.",
       [](F f) -> Value { return f.written_bytes; }},
      {"size_bytes", "bytes", "", "The blob's size; null until upstream has answered.",
       [](F f) { return optional_value(f.size_bytes); }},
      {"readers", "clients", "", "Clients that read the blob during the download.",
       [](F f) -> Value {
         assert(f.readers >= 0);
         return static_cast<std::uint64_t>(f.readers);
       }},
      {"kept", "", "", "False if the blob passes through without being stored.",
       [](F f) -> Value { return f.kept; }},
      {"background", "", "", "True while no client waits for the blob.",
       [](F f) -> Value { return f.background; }},
  };
  return figures;
}

const std::vector<Figure<SeenMove>>& move_figures() {
  using M = const SeenMove&;
  static const std::vector<Figure<SeenMove>> figures{
      {"image", "", "", "The image and its tag.",
       [](M m) -> Value { return image_name(m.move.tag); }},
      {"from", "", "", "The digest that the tag pointed to before.",
       [](M m) -> Value { return m.move.from.str(); }},
      {"to", "", "", "The digest that the tag points to upstream.",
       [](M m) -> Value { return m.move.to.str(); }},
      {"bytes", "bytes", "", "Bytes to fetch for the new image; null if unknown.",
       [](M m) { return optional_value(m.move.fetch_bytes); }},
      {"seconds_ago", "seconds", "", "Time since the move was seen.",
       [](M m) -> Value { return seconds_since(m.move.seen_at, m.now); }},
  };
  return figures;
}

}  // namespace layby::admin
