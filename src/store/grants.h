// SPDX-License-Identifier: Apache-2.0
//
// The repositories that a digest was granted to since somebody has work on it. They hold
// before the index has them, and whoever writes or erases what the index knows of the
// digest puts them again, so that no private content is there without its grant. Any
// thread.

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
  // kOpen says that there are none.
  cache::Access access(const cache::RepositoryKey& repository) const;
  Status put(WriteTxn& txn, const oci::Digest& digest) const;

 private:
  std::set<cache::RepositoryKey> all() const;

  mutable std::mutex mutex_;
  std::set<cache::RepositoryKey> repositories_;  // Guarded by mutex_.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_GRANTS_H_
