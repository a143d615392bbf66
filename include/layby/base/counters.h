// SPDX-License-Identifier: Apache-2.0
//
// Declares every counter of the daemon once: /stats, /metrics and docs/stats.md come from this
// list. Any thread may write store_bytes_written, store_errors and index_recoveries; only the loop
// thread writes the other counters. Relaxed atomics are enough, since no counter orders other
// memory accesses.

#ifndef LAYBY_BASE_COUNTERS_H_
#define LAYBY_BASE_COUNTERS_H_

#include <atomic>
#include <cstdint>

namespace layby {

// X(name, unit, one sentence)
#define LAYBY_COUNTERS(X)                                                                        \
  X(requests, "requests", "Requests answered.")                                                  \
  X(request_errors, "requests", "Requests answered with a status of 400 or more.")               \
  X(blob_hits, "requests", "Blob requests served from the store.")                               \
  X(blob_misses, "requests", "Blob requests that started a fill.")                               \
  X(blob_shared, "requests", "Blob requests that joined a fill in flight.")                      \
  X(manifest_hits, "requests", "Manifest requests served from the store.")                       \
  X(manifest_misses, "requests", "Manifest requests that asked upstream for the manifest.")      \
  X(manifest_shared, "requests", "Manifest requests that joined an upstream request in flight.") \
  X(tag_revalidations, "requests", "Tags checked upstream by HEAD.")                             \
  X(tag_moves, "tags", "Tags that moved to another digest.")                                     \
  X(stale_served, "requests", "Tag requests served from the cache because upstream failed.")     \
  X(held_served, "requests",                                                                     \
    "Tag requests that got the old image while the new image was fetched.")                      \
  X(unknown_served, "requests",                                                                  \
    "Manifest requests refused because upstream had just refused the same.")                     \
  X(client_bytes_sent, "bytes", "Bytes sent to clients, headers included.")                      \
  X(blob_bytes_from_cache, "bytes", "Blob bytes sent to clients from stored blobs.")             \
  X(blob_bytes_from_fills, "bytes", "Blob bytes sent to clients from fills in flight.")          \
  X(saved_bytes, "bytes",                                                                        \
    "Blob bytes sent to clients without using the link to upstream, in all runs of the daemon.") \
  X(prefetched_bytes, "bytes",                                                                   \
    "Blob bytes received from upstream while no client waited, in all runs of the daemon.")      \
  X(ahead_bytes, "bytes",                                                                        \
    "Blob bytes received for the later layers of an image while a client pulled the image.")     \
  X(ahead_unused_bytes, "bytes",                                                                 \
    "Bytes of ahead_bytes in blobs that no client asked for within an hour.")                    \
  X(upstream_bytes, "bytes", "Body bytes received from upstream.")                               \
  X(upstream_manifest_gets, "requests", "Manifest GETs sent upstream (these count as pulls).")   \
  X(upstream_manifest_heads, "requests", "Manifest HEADs sent upstream (free of the limit).")    \
  X(upstream_blob_gets, "requests", "Blob GETs sent upstream.")                                  \
  X(upstream_blob_heads, "requests", "Blob HEADs sent upstream.")                                \
  X(upstream_token_gets, "requests", "Token requests sent upstream.")                            \
  X(upstream_other_gets, "requests", "Requests for tag lists and referrers sent upstream.")      \
  X(upstream_failures, "requests", "Upstream requests that failed (no answer, 429 or 5xx).")     \
  X(upstream_retries, "requests", "Upstream requests made again after a failure.")               \
  X(upstream_throttled, "requests", "429 answers from upstream.")                                \
  X(hedges_sent, "requests",                                                                     \
    "Second requests for a blob whose first byte was late, included in the blob GETs.")          \
  X(hedges_won, "requests", "Second requests that were answered before the first request.")      \
  X(fills_started, "fills", "Blob downloads started.")                                           \
  X(fills_published, "fills", "Blob downloads that were completed, verified and stored.")        \
  X(fills_resumed, "fills", "Blob downloads that continued by Range after an interruption.")     \
  X(fill_segments, "requests",                                                                   \
    "Requests for a part of a blob beside the blob's first request, included in the blob GETs.") \
  X(fills_failed, "fills", "Blob downloads given up.")                                           \
  X(digest_mismatches, "objects", "Blobs and manifests whose bytes did not match the digest.")   \
  X(store_bytes_written, "bytes", "Bytes written to the disk for blobs.")                        \
  X(store_errors, "errors", "Operations of the store that failed.")                              \
  X(fills_unkept, "fills", "Blob downloads that passed through without being stored.")           \
  X(evicted_blobs, "blobs", "Stored blobs that were deleted to make room, or on demand.")        \
  X(evicted_bytes, "bytes", "Size of the evicted blobs.")                                        \
  X(scrubbed_bytes, "bytes", "Bytes of stored blobs that were read and verified again.")         \
  X(damaged_blobs, "blobs", "Stored blobs that were found damaged on the disk.")                 \
  X(index_recoveries, "recoveries", "Times a damaged index was recovered.")                      \
  X(cold_reads, "reads", "Blob reads that waited for the disk on a helper thread.")              \
  X(connections_accepted, "connections", "Client connections accepted.")                         \
  X(connections_refused, "connections", "Client connections closed at the connection limit.")    \
  X(connections_timed_out, "connections", "Client connections closed at a deadline.")            \
  X(tls_handshakes, "connections", "TLS handshakes with clients that succeeded.")                \
  X(tls_resumptions, "connections", "TLS handshakes that resumed an earlier session.")           \
  X(tls_by_kernel, "connections",                                                                \
    "TLS connections whose outgoing records the kernel encrypts (kTLS).")                        \
  X(tls_failures, "connections", "TLS handshakes with clients that failed.")

struct Counters {
#define LAYBY_COUNTER_FIELD(name, unit, text) std::atomic<std::uint64_t> name{0};
  LAYBY_COUNTERS(LAYBY_COUNTER_FIELD)
#undef LAYBY_COUNTER_FIELD
};

// Calls visit(name, unit, description, value) for each counter in order.
template <typename Visit>
void for_each_counter(const Counters& counters, Visit visit) {
#define LAYBY_COUNTER_VISIT(name, unit, text) \
  visit(#name, unit, text, counters.name.load(std::memory_order_relaxed));
  LAYBY_COUNTERS(LAYBY_COUNTER_VISIT)
#undef LAYBY_COUNTER_VISIT
}

inline void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace layby

#endif  // LAYBY_BASE_COUNTERS_H_
