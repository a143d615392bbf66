// SPDX-License-Identifier: Apache-2.0
//
// The repositories that one digest was granted to during the life of its lane. A grant is valid
// before the index has committed it. Each write that stores fetched content, drops a damaged blob
// or clears trash also writes these grants again, so that the index never has private content
// without its grants. Any thread may use Grants.

#ifndef LAYBY_STORE_GRANTS_H_
#define LAYBY_STORE_GRANTS_H_

#include <mutex>
#include <set>

#include "layby/cache/store.h"
#include "store/index.h"

namespace layby::store {

class Grants {
 public:
  void add(const cache::RepositoryKey& repository);
  // Returns kPublic when there are no grants.
  cache::GrantState grant_state(const cache::RepositoryKey& repository) const;
  Status put(WriteTxn& txn, const oci::Digest& digest) const;

 private:
  std::set<cache::RepositoryKey> all() const;

  mutable std::mutex mutex_;
  std::set<cache::RepositoryKey> repositories_;  // Guarded by mutex_.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_GRANTS_H_
