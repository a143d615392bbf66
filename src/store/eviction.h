// SPDX-License-Identifier: Apache-2.0
//
// Taking content out of the index to make room: the lowest ranks first, or one image.
// In one transaction each; the files go afterwards. Helper threads.

#ifndef LAYBY_STORE_EVICTION_H_
#define LAYBY_STORE_EVICTION_H_

#include <cstdint>
#include <set>
#include <vector>

#include "store/index.h"

namespace layby::store {

struct EvictionOrder {
  std::uint64_t bytes = 0;      // At least so many, if that can be.
  std::set<oci::Digest> spare;  // Blobs that are being read.
  WallTime used_since;          // What was used later goes only when nothing else is left.
};

// What left the index.
struct Evicted {
  std::vector<oci::Digest> blobs;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
  bool all = false;  // There is nothing more that may go.
};

// At most kEvictionStep objects; call it again while `all` isn't set.
inline constexpr std::size_t kEvictionStep = 256;
Result<Evicted> evict_lowest(WriteTxn& txn, const EvictionOrder& order);

// The tag, and what of its image no other tag and no pin needs. kNotFound when it isn't
// there, kDenied when it is pinned.
Result<Evicted> evict_image(WriteTxn& txn, const cache::TagKey& key);

}  // namespace layby::store

#endif  // LAYBY_STORE_EVICTION_H_
