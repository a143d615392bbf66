// SPDX-License-Identifier: Apache-2.0
//
// Who may have private content. A grant holds from the call on: it is in the lane of its
// digest until the index has it, and the lane is looked at first. What can't be told
// counts as private.

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

// A grant is never taken for written because an earlier one is: an eviction may be
// queued in between.
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
