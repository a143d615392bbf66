// SPDX-License-Identifier: Apache-2.0
//
// The part of a store that work on the helper threads uses. Each piece of work owns the Core by
// shared_ptr, so the folder stays locked and the index stays open until the last work is done, even
// after the store is destroyed.

#ifndef LAYBY_STORE_CORE_H_
#define LAYBY_STORE_CORE_H_

#include <cassert>
#include <memory>
#include <string>
#include <utility>

#include "layby/base/counters.h"
#include "layby/base/fd.h"
#include "layby/event/loop.h"
#include "layby/events/events.h"
#include "store/blob_files.h"
#include "store/commit_queue.h"

namespace layby::store {

class Core {
 public:
  Core(UniqueFd folder_lock, std::string data_dir, DiskCalls calls, event::Loop& to_loop,
       Counters& the_counters, events::Events& the_events)
      : lock_(std::move(folder_lock)),
        files(std::move(data_dir), calls),
        loop(to_loop),
        counters(the_counters),
        events(the_events) {}

 private:
  const UniqueFd lock_;  // Declared first: released after all other members.

 public:
  BlobFiles files;
  // DiskStore::open() sets these two members once.
  std::shared_ptr<CommitQueue> commits;
  bool private_after_rebuild = false;
  // Whether a rebuild marks the content that it finds as private, because grants are lost.
  bool marks_private() const {
    assert(commits);
    return private_after_rebuild && !commits->index().knows_all_grants();
  }
  // True during a rebuild that lacks grants: until its end, any content may be private.
  bool anything_may_be_private() const {
    return marks_private() && commits->index().needs_rebuild();
  }
  event::Loop& loop;
  Counters& counters;
  events::Events& events;  // Used on the loop thread only.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_CORE_H_
