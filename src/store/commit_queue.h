// SPDX-License-Identifier: Apache-2.0
//
// Writes to the index, in order and in batches: whatever queued up while the last
// commit synced goes into the next one, with a single sync. A write that fails takes
// only itself down. An index that reports damage is opened again here, between two
// commits. Held by shared_ptr, since work in its lane outlives the store.

#ifndef LAYBY_STORE_COMMIT_QUEUE_H_
#define LAYBY_STORE_COMMIT_QUEUE_H_

#include <atomic>
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
    Write write;                      // Runs on a helper, maybe twice.
    std::function<void()> committed;  // Runs on the helper when it is on the disk.
    Done done;                        // Runs on the loop, last.
    Status result;
  };

  CommitQueue(std::unique_ptr<Index> index, event::Lane lane, event::Loop& loop,
              Counters& counters);

  // From any thread. Any but `write` may be empty.
  void add(Entry entry);
  void add(Write write, Done done) { add({std::move(write), nullptr, std::move(done), {}}); }

  // Opens a damaged index again, soon.
  void recover();
  // Called on the loop thread after a recovery. Set before the first add().
  void on_recovered(std::function<void()> call) { on_recovered_ = std::move(call); }

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
  std::atomic<bool> recovering_ = false;  // A recovery is in the lane.
  std::mutex mutex_;
  Batch waiting_;  // Guarded by mutex_. When not empty, run() is in the lane.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_COMMIT_QUEUE_H_
