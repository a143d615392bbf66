// SPDX-License-Identifier: Apache-2.0
//
// Each digest with work or users has one lane, in which all file work on the digest runs in order.
// Invariant: a digest has at most one lane at a time. DigestLanes live on the loop thread.

#ifndef LAYBY_STORE_DIGEST_LANES_H_
#define LAYBY_STORE_DIGEST_LANES_H_

#include <atomic>
#include <memory>
#include <unordered_map>
#include <utility>

#include "layby/event/workers.h"
#include "layby/oci/digest.h"
#include "store/grants.h"

namespace layby::store {

// Runs all file work on one digest in order. Invariant: no user count is negative.
struct DigestLane {
  explicit DigestLane(event::Lane made) : lane(std::move(made)) {}
  event::Lane lane;
  // How many writers have the partial file open, and how many have the published file open. A file
  // with users must stay in its place, even if no bytes are coming.
  std::atomic<int> partial_users = 0;
  std::atomic<int> published_users = 0;
  Grants grants;
  int grants_under_way = 0;  // Not committed yet. Used on the loop thread only.
};

class DigestLanes {
 public:
  explicit DigestLanes(event::Workers& workers) : workers_(workers) {}
  DigestLanes(const DigestLanes&) = delete;
  DigestLanes& operator=(const DigestLanes&) = delete;

  // Returns the digest's lane; makes the lane if there is none. A lane lives as long as a
  // shared_ptr owns it.
  std::shared_ptr<DigestLane> get(const oci::Digest& digest);
  // Returns null when the digest has no lane.
  std::shared_ptr<DigestLane> find(const oci::Digest& digest) const;

 private:
  event::Workers& workers_;
  std::unordered_map<oci::Digest, std::weak_ptr<DigestLane>> lanes_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_DIGEST_LANES_H_
