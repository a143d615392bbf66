// SPDX-License-Identifier: Apache-2.0
//
// The indexes that clients got lately. When a manifest can't be had, the index that names the
// manifest tells the platform, for the answer to the client. Lives on the loop thread. Invariant:
// each index of a repository is in recent_ once.

#ifndef LAYBY_CACHE_RECENT_INDEXES_H_
#define LAYBY_CACHE_RECENT_INDEXES_H_

#include <deque>
#include <optional>
#include <string>

#include "layby/cache/store.h"
#include "layby/events/event.h"

namespace layby::cache {

class RecentIndexes {
 public:
  // Notes that a client got the index `digest`. Costs no read of the index.
  void note(const events::Subject& image, const oci::Digest& digest);
  // The name of the manifest `child` for people, such as "linux/arm64", by the last stored index of
  // `repository` that names the manifest; nullopt if there is none. Parses these indexes, in about
  // 0.1 ms each.
  std::optional<std::string> find_name(ContentLookup& content, const RepositoryKey& repository,
                                       const oci::Digest& child) const;

 private:
  struct Index {
    RepositoryKey repository;
    oci::Digest digest;
  };

  std::deque<Index> recent_;  // The last one is first.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_RECENT_INDEXES_H_
