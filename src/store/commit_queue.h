// SPDX-License-Identifier: Apache-2.0
//
// Writes to the index, in order and in batches: whatever queued up while the last
// commit synced goes into the next one, with a single sync. A write that fails takes
// only itself down. Held by shared_ptr, since work in its lane outlives the store.

#ifndef LAYBY_STORE_COMMIT_QUEUE_H_
#define LAYBY_STORE_COMMIT_QUEUE_H_

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "layby/base/counters.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "store/index.h"

namespace layby::store {

class CommitQueue : public std::enable_shared_from_this<CommitQueue> {
 public:
  using Write = std::function<Status(WriteTxn&)>;
  using Done = std::function<void(Status)>;

  CommitQueue(std::unique_ptr<Index> index, event::Lane lane, event::Loop& loop,
              Counters& counters);

  // From any thread. `write` runs on a helper and may run twice; `done` (may be empty)
  // is called on the loop thread.
  void add(Write write, Done done);

  Index& index() { return *index_; }

 private:
  struct Entry {
    Write write;
    Done done;
    Status result;
  };
  using Batch = std::vector<Entry>;

  void run();
  void commit_each(Batch& batch);
  Status commit(std::span<Entry> entries);

  const std::unique_ptr<Index> index_;
  event::Lane lane_;
  event::Loop& loop_;
  Counters& counters_;
  std::mutex mutex_;
  Batch waiting_;  // Guarded by mutex_. When not empty, run() is in the lane.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_COMMIT_QUEUE_H_
