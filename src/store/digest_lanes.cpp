// SPDX-License-Identifier: Apache-2.0
//
// There are few lanes, about one for each digest with work under way, so each get() can drop all
// ended lanes.

#include "store/digest_lanes.h"

#include <cassert>

namespace layby::store {

std::shared_ptr<DigestLane> DigestLanes::get(const oci::Digest& digest) {
  std::erase_if(lanes_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<DigestLane>& known = lanes_[digest];
  std::shared_ptr<DigestLane> lane = known.lock();
  if (!lane) known = lane = std::make_shared<DigestLane>(workers_.make_lane());
  assert(find(digest) == lane);
  return lane;
}

std::shared_ptr<DigestLane> DigestLanes::find(const oci::Digest& digest) const {
  const auto known = lanes_.find(digest);
  return known == lanes_.end() ? nullptr : known->second.lock();
}

}  // namespace layby::store
