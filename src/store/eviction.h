// SPDX-License-Identifier: Apache-2.0
//
// Evictions take content out of the index to make room: the lowest ranks first, or one image. Each
// call works in one transaction; the caller deletes the files afterwards. Helper threads make the
// calls.

#ifndef LAYBY_STORE_EVICTION_H_
#define LAYBY_STORE_EVICTION_H_

#include <cstdint>
#include <set>
#include <vector>

#include "store/index.h"

namespace layby::store {

struct EvictionOrder {
  std::uint64_t bytes = 0;      // Free at least this many bytes, if possible.
  std::set<oci::Digest> spare;  // Blobs that must stay, since they are being read.
  WallTime used_since;          // Content that was used after this time is evicted last.
  cache::Spare keep{};          // Content that stays in any case.
};

// The content that left the index.
struct Evicted {
  std::vector<oci::Digest> blobs;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
  bool all = false;  // Nothing more may be evicted.
};

// Evicts at most kEvictionStep objects. Call evict_lowest() again while more is needed and `all`
// isn't set.
inline constexpr std::size_t kEvictionStep = 256;
Result<Evicted> evict_lowest(WriteTxn& txn, const EvictionOrder& order);

// Evicts the tag, and those parts of its image that no other tag and no pin needs. Returns
// kNotFound when the tag isn't cached, and kDenied when the tag is pinned.
Result<Evicted> evict_image(WriteTxn& txn, const cache::TagKey& key);

}  // namespace layby::store

#endif  // LAYBY_STORE_EVICTION_H_
