// SPDX-License-Identifier: Apache-2.0
//
// The queue of writes to the index. The queue commits in order and in batches: all writes that were
// queued during one commit share the next commit and its single sync. A failing write doesn't fail
// the other writes of its batch. Between two commits, the queue reopens an index that has reported
// damage. A shared_ptr owns the queue, since work in its lane outlives the store. Invariant:
// exactly one run() is in the lane while waiting_ is not empty.

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
    Write write;                      // Runs on a helper thread, at most twice.
    std::function<void()> committed;  // Runs on the helper thread after a durable commit.
    Done done;                        // Runs once on the loop thread, last.
    Status result;
  };

  CommitQueue(std::unique_ptr<Index> index, event::Lane lane, event::Loop& loop,
              Counters& counters);

  // May be called from any thread. `committed` and `done` may be empty.
  void add(Entry entry);
  void add(Write write, Done done) { add({std::move(write), nullptr, std::move(done), {}}); }

  // Queues the reopening of a damaged index.
  void recover();
  // `call` runs on the loop thread after each successful recovery. Set `call` once, before the
  // first add().
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
