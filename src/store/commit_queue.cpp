// SPDX-License-Identifier: Apache-2.0
//
// Each run() commits all entries that are waiting when the run() begins.

#include "store/commit_queue.h"

#include <cassert>
#include <utility>

#include "layby/base/log.h"

namespace layby::store {

CommitQueue::CommitQueue(std::unique_ptr<Index> index, event::Lane lane, event::Loop& loop,
                         Counters& counters)
    : index_(std::move(index)), lane_(std::move(lane)), loop_(loop), counters_(counters) {}

void CommitQueue::add(Entry entry) {
  assert(entry.write);
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = waiting_.empty();
    waiting_.push_back(std::move(entry));
  }
  if (first) lane_.submit([self = shared_from_this()] { self->run(); });
}

void CommitQueue::recover() {
  if (recovering_.exchange(true)) return;
  lane_.submit([self = shared_from_this()] {
    self->recovering_ = false;
    self->recover_if_needed();
  });
}

void CommitQueue::run() {
  Batch batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(waiting_);
  }
  assert(!batch.empty());
  recover_if_needed();
  if (Status all = commit(batch); !all) {
    recover_if_needed();
    commit_each(batch);
  }
  for (Entry& entry : batch) {
    if (entry.result.ok() && entry.committed) entry.committed();
    // The callbacks own lanes and files, which are released here, before the loop's next turn.
    entry.write = nullptr;
    entry.committed = nullptr;
  }
  loop_.post([batch = std::move(batch)] {
    for (const Entry& entry : batch) {
      if (entry.done) entry.done(entry.result);
    }
  });
  index_->tend_ledger();
}

void CommitQueue::recover_if_needed() {
  if (!index_->needs_recovery()) return;
  count(counters_.store_errors);
  if (Status recovered = index_->recover(); !recovered) {
    log::error("{}", recovered.error().message);
    return;
  }
  count(counters_.index_recoveries);
  if (on_recovered_) loop_.post(on_recovered_);
}

// Called after a batch has failed. Commits each entry alone, so that only the faulty entry fails.
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
