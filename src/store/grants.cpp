// SPDX-License-Identifier: Apache-2.0
//
// The loop thread locks the mutex too, so no thread may wait for the disk while it holds the mutex.

#include "store/grants.h"

namespace layby::store {

void Grants::add(const cache::RepositoryKey& repository) {
  const std::lock_guard lock(mutex_);
  repositories_.insert(repository);
}

cache::GrantState Grants::grant_state(const cache::RepositoryKey& repository) const {
  const std::lock_guard lock(mutex_);
  if (repositories_.empty()) return cache::GrantState::kPublic;
  return repositories_.contains(repository) ? cache::GrantState::kGranted
                                            : cache::GrantState::kUnknown;
}

std::set<cache::RepositoryKey> Grants::all() const {
  const std::lock_guard lock(mutex_);
  return repositories_;
}

Status Grants::put(WriteTxn& txn, const oci::Digest& digest) const {
  for (const cache::RepositoryKey& repository : all()) {
    if (Status put = txn.put_grant(digest, repository); !put) return put;
  }
  return {};
}

}  // namespace layby::store
