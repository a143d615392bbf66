// SPDX-License-Identifier: Apache-2.0
//
// Decides whether the cache has room for a blob, before the blob is stored. Without room,
// other objects are evicted (layby/policy/eviction.h) or the blob isn't kept. The functions are
// pure.

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
  SpaceLimit min_free_bytes{0, 1ull << 30};  // The least that stays free on the disk.

  bool operator==(const SpaceRules&) const = default;
};

struct SpaceUse {
  std::uint64_t cached_bytes = 0;    // Blobs, partial files and the index.
  std::uint64_t reserved_bytes = 0;  // Bytes that fills in flight still have to write.
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t disk_total_bytes = 0;  // 0 while unknown: everything is admitted.
};

// Whether both limits of `rules` still hold after `new_bytes` more bytes are stored. A limit may be
// reached exactly.
bool has_room(const SpaceRules& rules, const SpaceUse& use, std::uint64_t new_bytes);

// The most bytes that the cache can store under both limits of `rules`. Means nothing while
// use.disk_total_bytes is 0.
std::uint64_t capacity(const SpaceRules& rules, const SpaceUse& use);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_ADMISSION_H_
