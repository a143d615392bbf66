// SPDX-License-Identifier: Apache-2.0
//
// Ranks are integers in which kUnit stands for one use of a large blob. Sums saturate instead of
// wrapping around. So if the clock reaches the end of its range, objects only stop ageing.

#include "layby/policy/eviction.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "policy/saturating.h"

namespace layby::policy {
namespace {

constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();

// The worth of one use of a large blob.
constexpr std::uint64_t kUnit = 1024;

// Besides the bytes of its answer, an upstream request costs round trips and, for a manifest, one
// pull. kRequestBytes is this additional cost, expressed in bytes. Because of the additional cost,
// small objects rank high.
constexpr std::uint64_t kRequestBytes = 1 << 20;

// Uses beyond this number don't count, so that a formerly popular object can still age.
constexpr std::uint32_t kMostHits = 16;

// The second use counts as this many additional uses, because an object that was used twice is
// much likelier to be used again than an object that was used once.
constexpr std::uint32_t kReturnHits = 4;

// An eviction frees the missing bytes and this fraction (1 / kStepsPerCache) of
// `cache.max_bytes`.
constexpr std::uint64_t kStepsPerCache = 128;

// How many bytes must be evicted for the cache to stay within `max_bytes`.
std::uint64_t above_max(const SpaceUse& use, std::uint64_t coming, std::uint64_t max_bytes) {
  if (coming > max_bytes) return kMost;
  const std::uint64_t for_cached = max_bytes - coming;
  return use.cached_bytes > for_cached ? use.cached_bytes - for_cached : 0;
}

// How many bytes must be evicted for `keep_free` bytes to stay free on the disk.
std::uint64_t missing_on_disk(const SpaceUse& use, std::uint64_t coming, std::uint64_t keep_free) {
  const std::uint64_t wanted = saturating_sum(coming, keep_free);
  return wanted > use.disk_free_bytes ? wanted - use.disk_free_bytes : 0;
}

}  // namespace

std::uint64_t rank(std::uint64_t clock, std::uint32_t hits, std::uint64_t size_bytes) {
  const std::uint64_t size = std::max<std::uint64_t>(size_bytes, 1);
  const std::uint64_t worth_of_a_hit = kUnit + kUnit * kRequestBytes / size;
  const std::uint64_t counted_hits =
      std::clamp<std::uint32_t>(hits, 1, kMostHits) + (hits > 1 ? kReturnHits : 0);
  return saturating_sum(clock, counted_hits * worth_of_a_hit);
}

std::uint64_t clock_after(std::uint64_t clock, std::uint64_t victim_rank) {
  return std::max(clock, victim_rank);
}

std::uint64_t bytes_to_evict(const SpaceRules& rules, const SpaceUse& use,
                             std::uint64_t new_bytes) {
  if (has_room(rules, use, new_bytes)) return 0;
  const std::uint64_t coming = saturating_sum(use.reserved_bytes, new_bytes);
  const std::uint64_t max_bytes = rules.max_bytes.resolve(use.disk_total_bytes);
  const std::uint64_t keep_free = rules.min_free_bytes.resolve(use.disk_total_bytes);
  const std::uint64_t missing =
      std::max(above_max(use, coming, max_bytes), missing_on_disk(use, coming, keep_free));
  assert(missing > 0);  // Because has_room() said no.
  if (missing > use.cached_bytes) return missing;
  return std::min(saturating_sum(missing, max_bytes / kStepsPerCache), use.cached_bytes);
}

}  // namespace layby::policy
