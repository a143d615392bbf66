// SPDX-License-Identifier: Apache-2.0
//
// One job in the lane commits everything that is waiting when it begins.

#include "store/commit_queue.h"

#include <utility>

#include "layby/base/log.h"

namespace layby::store {

CommitQueue::CommitQueue(std::unique_ptr<Index> index, event::Lane lane, event::Loop& loop,
                         Counters& counters)
    : index_(std::move(index)), lane_(std::move(lane)), loop_(loop), counters_(counters) {}

void CommitQueue::add(Write write, Done done) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = waiting_.empty();
    waiting_.push_back({std::move(write), std::move(done), {}});
  }
  if (first) lane_.submit([self = shared_from_this()] { self->run(); });
}

void CommitQueue::run() {
  Batch batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(waiting_);
  }
  if (Status all = commit(batch); !all) commit_each(batch);
  // Writes hold what they write for; only the answers wait for the loop.
  for (Entry& entry : batch) entry.write = nullptr;
  loop_.post([batch = std::move(batch)] {
    for (const Entry& entry : batch) {
      if (entry.done) entry.done(entry.result);
    }
  });
}

// After a batch failed: the guilty one fails alone.
void CommitQueue::commit_each(Batch& batch) {
  for (Entry& entry : batch) {
    entry.result = commit({&entry, 1});
    if (entry.result.ok()) continue;
    count(counters_.store_errors);
    log::error("{}", entry.result.error().message);
  }
}

Status CommitQueue::commit(std::span<Entry> entries) {
  Result<WriteTxn> txn = index_->write();
  if (!txn) return std::move(txn).error();
  for (Entry& entry : entries) {
    if (Status written = entry.write(*txn); !written) return written;
  }
  return txn->commit();
}

}  // namespace layby::store
