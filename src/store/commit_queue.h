// SPDX-License-Identifier: Apache-2.0
//
// Writes to the index, in order and in batches: all writes that queued up during one commit
// share the next commit and its single sync. A failing write fails alone. An index that
// reports damage is opened again here, between two commits. Held by shared_ptr, since work
// in the queue's lane outlives the store. Invariant: one run() is in the lane while waiting_
// is not empty.

#ifndef LAYBY_STORE_COMMIT_QUEUE_H_
#define LAYBY_STORE_COMMIT_QUEUE_H_

#include <atomic>
#include <cassert>
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

  struct Entry {
    Write write;                      // Runs on a helper, at most twice.
    std::function<void()> committed;  // Runs on the helper after a durable commit.
    Done done;                        // Runs once on the loop, last.
    Status result;
  };

  CommitQueue(std::unique_ptr<Index> index, event::Lane lane, event::Loop& loop,
              Counters& counters);

  // From any thread. `committed` and `done` may be empty.
  void add(Entry entry);
  void add(Write write, Done done) { add({std::move(write), nullptr, std::move(done), {}}); }

  // Queues the reopening of a damaged index.
  void recover();
  // Called on the loop thread after each recovery. Set once, before the first add().
  void on_recovered(std::function<void()> call) {
    assert(!on_recovered_);
    on_recovered_ = std::move(call);
  }

  Index& index() { return *index_; }

 private:
  using Batch = std::vector<Entry>;

  void run();
  void recover_if_needed();
  void commit_each(Batch& batch);
  Status commit(std::span<Entry> entries);

  const std::unique_ptr<Index> index_;
  event::Lane lane_;
  event::Loop& loop_;
  Counters& counters_;
  std::function<void()> on_recovered_;
  std::atomic<bool> recovering_ = false;  // A recovery is queued in the lane.
  std::mutex mutex_;
  Batch waiting_;  // Guarded by mutex_.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_COMMIT_QUEUE_H_
