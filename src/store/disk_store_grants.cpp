// SPDX-License-Identifier: Apache-2.0
//
// Which repositories may serve private content. A grant holds from the call of grant() on:
// the digest's lane keeps it until the index has committed it, and access() looks at the
// lane first. Access that can't be looked up counts as kUnknown.

#include <utility>

#include "layby/store/disk_store.h"
#include "store/core.h"

namespace layby::store {

cache::Access DiskStore::access(const oci::Digest& digest,
                                const cache::RepositoryKey& repository) const {
  const auto lane = known_lane(digest);
  const auto given = lane ? lane->grants.access(repository) : cache::Access::kOpen;
  if (given == cache::Access::kGranted) return given;
  const auto indexed = indexed_access(digest, repository);
  return indexed == cache::Access::kOpen ? given : indexed;
}

cache::Access DiskStore::indexed_access(const oci::Digest& digest,
                                        const cache::RepositoryKey& repository) const {
  Index& index = core_->commits->index();
  auto access = cache::Access::kOpen;
  if (index.has_grants()) {
    Result<ReadTxn> txn = index.read();
    const Result<cache::Access> found =
        txn ? txn->find_access(digest, repository) : Result<cache::Access>(txn.error());
    if (!found) {
      on_failed_lookup(digest.str(), found.error());
      return cache::Access::kUnknown;
    }
    access = *found;
  }
  const bool lost = access == cache::Access::kOpen && core_->anything_may_be_private();
  return lost ? cache::Access::kUnknown : access;
}

// Each grant is written, even if an equal grant was written before: an eviction between the
// two may erase the earlier grant.
void DiskStore::grant(const oci::Digest& digest, const cache::RepositoryKey& repository) {
  const std::shared_ptr<DigestLane> lane = lane_of(digest);
  lane->grants.add(repository);
  core_->commits->add([lane, digest](WriteTxn& txn) { return lane->grants.put(txn, digest); },
                      while_alive([this, lane, digest](const Status& status) {
                        if (status.ok()) {
                          unwritten_grants_.erase(digest);
                        } else {
                          unwritten_grants_[digest] = lane;
                        }
                      }));
}

}  // namespace layby::store
