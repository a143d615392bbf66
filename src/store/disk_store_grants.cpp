// SPDX-License-Identifier: Apache-2.0
//
// Grants say which repositories may serve private content. A grant is valid from the call of
// grant() on: the digest's lane stores the grant until the index has committed it, and
// grant_state() looks at the lane first. A failed lookup gives kUnknown.

#include <cassert>
#include <utility>

#include "layby/store/disk_store.h"
#include "store/core.h"
#include "store/digest_lanes.h"

namespace layby::store {

cache::GrantState DiskStore::grant_state(const oci::Digest& digest,
                                         const cache::RepositoryKey& repository) const {
  const auto lane = lanes_->find(digest);
  const auto given = lane ? lane->grants.grant_state(repository) : cache::GrantState::kPublic;
  if (given == cache::GrantState::kGranted) return given;
  const auto indexed = indexed_grant_state(digest, repository);
  return indexed == cache::GrantState::kPublic ? given : indexed;
}

cache::GrantState DiskStore::indexed_grant_state(const oci::Digest& digest,
                                                 const cache::RepositoryKey& repository) const {
  Index& index = core_->commits->index();
  auto access = cache::GrantState::kPublic;
  if (index.has_grants()) {
    Result<ReadTxn> txn = index.read();
    const Result<cache::GrantState> found =
        txn ? txn->find_grant_state(digest, repository) : Result<cache::GrantState>(txn.error());
    if (!found) {
      on_failed_lookup(digest.str(), found.error());
      return cache::GrantState::kUnknown;
    }
    access = *found;
  }
  const bool lost = access == cache::GrantState::kPublic && core_->anything_may_be_private();
  return lost ? cache::GrantState::kUnknown : access;
}

// Each grant is written, even if an equal grant was written before: an eviction may erase the
// earlier grant before the later grant is written.
void DiskStore::grant(const oci::Digest& digest, const cache::RepositoryKey& repository) {
  const std::shared_ptr<DigestLane> lane = lanes_->get(digest);
  lane->grants.add(repository);
  ++lane->grants_under_way;
  core_->commits->add([lane, digest](WriteTxn& txn) { return lane->grants.put(txn, digest); },
                      while_alive([this, lane, digest](const Status& status) {
                        --lane->grants_under_way;
                        assert(lane->grants_under_way >= 0);
                        if (status.ok()) {
                          unwritten_grants_.erase(digest);
                        } else {
                          unwritten_grants_[digest] = lane;
                        }
                      }));
}

}  // namespace layby::store
