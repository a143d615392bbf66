// SPDX-License-Identifier: Apache-2.0
//
// Whether a blob has room in the cache, asked before the blob is fetched. Without room,
// other objects are evicted (layby/policy/eviction.h) or the blob isn't kept. Pure:
// values in, values out.

#ifndef LAYBY_POLICY_ADMISSION_H_
#define LAYBY_POLICY_ADMISSION_H_

#include <cstdint>

namespace layby::policy {

// A number of bytes, or a share of the file system when `percent` is above 0.
struct SpaceLimit {
  int percent = 0;
  std::uint64_t bytes = 0;

  bool operator==(const SpaceLimit&) const = default;

  std::uint64_t resolve(std::uint64_t disk_total_bytes) const;
};

struct SpaceRules {
  SpaceLimit max_bytes{80, 0};               // The most that the cache may use.
  SpaceLimit min_free_bytes{0, 1ull << 30};  // The least that stays free for others.

  bool operator==(const SpaceRules&) const = default;
};

struct SpaceUse {
  std::uint64_t cached_bytes = 0;    // Stored blobs.
  std::uint64_t reserved_bytes = 0;  // Fills in flight have yet to write these.
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t disk_total_bytes = 0;  // 0 while unknown: everything is admitted.
};

// Whether both rules still hold after `new_bytes` more. Reaching a limit exactly is allowed.
bool has_room(const SpaceRules& rules, const SpaceUse& use, std::uint64_t new_bytes);

// The most bytes that the cache can hold under both rules. Means nothing while the disk
// isn't known.
std::uint64_t capacity(const SpaceRules& rules, const SpaceUse& use);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_ADMISSION_H_
