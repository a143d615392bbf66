// SPDX-License-Identifier: Apache-2.0
//
// What work on the helper threads needs of a store. That work holds it by shared_ptr,
// so the folder stays locked and the index open until the last of it is done, though
// the store itself may be gone.

#ifndef LAYBY_STORE_CORE_H_
#define LAYBY_STORE_CORE_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "layby/base/counters.h"
#include "layby/base/fd.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "store/blob_files.h"
#include "store/commit_queue.h"
#include "store/grants.h"

namespace layby::store {

// All file work on one digest, in order.
struct DigestLane {
  explicit DigestLane(event::Lane made) : lane(std::move(made)) {}
  event::Lane lane;
  // Writers that have the partial or the published file open, whether or not anything is
  // coming: it must stay where it is.
  std::atomic<int> partial_users = 0;
  std::atomic<int> published_users = 0;
  Grants grants;
};

class Core {
 public:
  Core(UniqueFd folder_lock, std::string data_dir, DiskCalls calls, event::Loop& to_loop,
       Counters& the_counters)
      : lock_(std::move(folder_lock)),
        files(std::move(data_dir), calls),
        loop(to_loop),
        counters(the_counters) {}

 private:
  const UniqueFd lock_;  // First in, last out.

 public:
  BlobFiles files;
  // These two are set once, while the store opens.
  std::shared_ptr<CommitQueue> commits;
  bool private_after_rebuild = false;
  // Grants are lost and the files not looked through: anything may be private.
  bool anything_may_be_private() const {
    return private_after_rebuild && commits->index().needs_rebuild();
  }
  event::Loop& loop;
  Counters& counters;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_CORE_H_
