// SPDX-License-Identifier: Apache-2.0
//
// Whether there is room for a blob before it is fetched; where there is none, something
// is evicted for it (layby/policy/eviction.h) or it isn't kept. Pure: values in, values
// out.

#ifndef LAYBY_POLICY_ADMISSION_H_
#define LAYBY_POLICY_ADMISSION_H_

#include <cstdint>

namespace layby::policy {

// A number of bytes, or a share of the file system when `percent` is above 0.
struct SpaceLimit {
  int percent = 0;
  std::uint64_t bytes = 0;

  std::uint64_t resolve(std::uint64_t disk_total_bytes) const;
};

struct SpaceRules {
  SpaceLimit max_bytes{80, 0};               // What the cache may take.
  SpaceLimit min_free_bytes{0, 1ull << 30};  // What it leaves free for others.
};

struct SpaceUse {
  std::uint64_t cached_bytes = 0;    // Stored blobs.
  std::uint64_t reserved_bytes = 0;  // What fills in flight have still to write.
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t disk_total_bytes = 0;  // 0 while it isn't known: everything is admitted.
};

// Whether `new_bytes` more keep both rules. A limit that is reached exactly is kept.
bool has_room(const SpaceRules& rules, const SpaceUse& use, std::uint64_t new_bytes);

// What all that is cached may come to, by both rules; 0 while the disk isn't known.
std::uint64_t capacity(const SpaceRules& rules, const SpaceUse& use);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_ADMISSION_H_
