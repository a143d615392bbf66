// SPDX-License-Identifier: Apache-2.0
//
// The rules that a cache obeys. The values here are the defaults of the configuration.

#ifndef LAYBY_CACHE_RULES_H_
#define LAYBY_CACHE_RULES_H_

#include <chrono>
#include <cstdint>
#include <vector>

#include "layby/policy/admission.h"
#include "layby/policy/freshness.h"
#include "layby/policy/retry.h"
#include "layby/policy/split.h"

namespace layby::cache {

// How long an answer of upstream may take. A blob's first byte must come within this time.
inline constexpr std::chrono::milliseconds kRequestTimeout{30'000};

// The most connections over which one blob comes.
inline constexpr int kConnectionsPerBlob = 4;

struct Rules {
  std::chrono::milliseconds fresh_for{60'000};   // A tag is not checked again within this time.
  std::vector<policy::FreshnessRule> tag_rules;  // These rules take precedence over fresh_for.
  // For this long after fresh_for, a tag is served at once while upstream is asked about it.
  std::chrono::milliseconds stale_while_revalidate{0};
  // A tag in use that was pulled within this time is checked in the background before it gets
  // stale; 0 for no background checks. A tag is in use when it is pulled again after its fresh
  // time.
  std::chrono::milliseconds keep_fresh{600'000};
  std::chrono::milliseconds unknown_for{10'000};  // How long a refusal by upstream is remembered.
  // The deadline for the check of a cached tag during a pull.
  std::chrono::milliseconds revalidate_timeout{2'000};
  // The deadline of any other HEAD of a manifest.
  std::chrono::milliseconds request_timeout = kRequestTimeout;
  policy::RetryRules retry;
  policy::SplitRules split;
  // A range of at most this many bytes that begins far beyond the bytes that came in order is sent
  // whole before the digest was checked, even if it has the blob's last byte.
  std::uint64_t small_range_bytes = 4 << 20;
  // Spreads the background checks of many boxes. Each box has a seed of its own.
  std::uint32_t seed = 1;
  policy::SpaceRules space;
  // When a fill has this many bytes in RAM on their way to the disk, upstream is paused.
  std::uint64_t max_queued_bytes = 1 << 20;
  // How many bytes of an unkept blob RAM may hold for the blob's slowest reader.
  std::uint64_t max_unkept_bytes = 4 << 20;

  // Whether the later layers of an image are fetched while a client pulls the image.
  bool pull_ahead = true;

  bool operator==(const Rules&) const = default;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_RULES_H_
