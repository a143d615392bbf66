// SPDX-License-Identifier: Apache-2.0
//
// One lane for each digest that has work or users: all file work on a digest runs in order.
// Invariant: a digest never has two lanes at a time. Loop thread.

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
  // Writers that have the partial file, or the published file, open. A file with users must
  // stay in its place, even if no bytes are coming.
  std::atomic<int> partial_users = 0;
  std::atomic<int> published_users = 0;
  Grants grants;
};

class DigestLanes {
 public:
  // The workers outlive this.
  explicit DigestLanes(event::Workers& workers) : workers_(workers) {}
  DigestLanes(const DigestLanes&) = delete;
  DigestLanes& operator=(const DigestLanes&) = delete;

  // The digest's lane, made if there is none. The lane lives as long as somebody holds it.
  std::shared_ptr<DigestLane> get(const oci::Digest& digest);
  // Null when the digest has no lane.
  std::shared_ptr<DigestLane> find(const oci::Digest& digest) const;

 private:
  event::Workers& workers_;
  std::unordered_map<oci::Digest, std::weak_ptr<DigestLane>> lanes_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_DIGEST_LANES_H_
