// SPDX-License-Identifier: Apache-2.0
//
// A crash between a step's commit and the deletion of the files leaves the notes of trash; the next
// start deletes the noted files. On a disk so full that the index can't be written, the files of
// one step are deleted first; a crash then leaves records of missing files, which the store drops
// later.

#include "store/removal.h"

#include <cassert>
#include <chrono>
#include <utility>

#include "layby/base/log.h"
#include "store/partials.h"
#include "store/trash.h"

namespace layby::store {
namespace {

// Content that was used or stored within this time is evicted last: its pull may be under way.
constexpr std::chrono::minutes kInUse{2};

// A partial file that was written within this time stays: a fill may resume the file soon.
constexpr std::chrono::minutes kPartialInUse{5};

// Keeps a file that a fill uses: this fill puts the blob back into the index. If the fill ends
// early, the file stays trash until the next start.
bool delete_unless_used(const Core& core, const DigestLane& lane, const oci::Digest& digest) {
  if (lane.published_users > 0) return false;
  const Status removed = core.files.remove_published(digest);
  if (!removed) log::error("{}", removed.error().message);
  return removed.ok();
}

}  // namespace

Removal::Removal(const Context& context, Goal goal, cache::Given<cache::EvictedSum> done)
    : context_(context),
      goal_(std::move(goal)),
      in_use_since_(context.clock.wall_now() - kInUse),
      done_(std::move(done)) {
  assert(done_);
  begin();
}

void Removal::enter(State state) {
  [[maybe_unused]] const auto may_follow = [this, state] {
    switch (state_) {
      case State::kNew:
        return state == State::kCommitting || state == State::kDeleting;
      case State::kCommitting:
        return state == State::kDeletingFirst || state == State::kDeleting ||
               state == State::kEnded;
      case State::kDeletingFirst:
        return state == State::kCommittingAgain;
      case State::kCommittingAgain:
        return state == State::kDeleting || state == State::kEnded;
      case State::kDeleting:
        return state == State::kCommitting || state == State::kClearing ||
               state == State::kMeasuring;
      case State::kClearing:
        return state == State::kMeasuring;
      case State::kMeasuring:
        return state == State::kEnded;
      case State::kEnded:
        return false;
    }
    return false;
  };
  assert(may_follow());
  assert(files_left_ == 0);
  state_ = state;
}

void Removal::begin() {
  const auto* leftovers = std::get_if<Leftovers>(&goal_);
  if (leftovers == nullptr) {
    enter(State::kCommitting);
    return commit();
  }
  assert(!leftovers->blobs.empty());
  step_.blobs = leftovers->blobs;
  enter(State::kDeleting);
  delete_files();
}

// The returned function runs on a helper thread, so it owns all that it uses.
std::function<Result<Evicted>(WriteTxn&)> Removal::chooser() const {
  if (const auto* image = std::get_if<Image>(&goal_)) {
    return [key = image->key](WriteTxn& txn) { return evict_image(txn, key); };
  }
  const auto& [wanted_bytes, spare] = std::get<LowestRanks>(goal_);
  assert(sum_.blob_bytes <= wanted_bytes);
  return [order = EvictionOrder{wanted_bytes - sum_.blob_bytes, context_.blobs_being_read(),
                                in_use_since_, spare}](WriteTxn& txn) {
    return evict_lowest(txn, order);
  };
}

void Removal::commit() {
  assert(state_ == State::kCommitting || state_ == State::kCommittingAgain);
  const auto chosen = std::make_shared<Evicted>();
  CommitQueue::Entry entry;
  entry.write = [chosen, choose = chooser()](WriteTxn& txn) -> Status {
    Result<Evicted> evicted = choose(txn);
    if (!evicted) return std::move(evicted).error();
    *chosen = *std::move(evicted);
    return {};
  };
  entry.done = life_.guard(
      [this, chosen](const Status& status) { on_committed(status, std::move(*chosen)); });
  context_.core->commits->add(std::move(entry));
}

void Removal::on_committed(const Status& status, Evicted chosen) {
  step_ = std::move(chosen);
  const bool full = !status.ok() && status.error().code == ErrorCode::kNoSpace;
  if (full && state_ == State::kCommitting && !step_.blobs.empty()) {
    enter(State::kDeletingFirst);
    return delete_files();
  }
  if (!status.ok()) return end(status.error());
  sum_.manifests += step_.manifests;
  enter(State::kDeleting);
  delete_files();
}

void Removal::delete_files() {
  assert(state_ == State::kDeleting || state_ == State::kDeletingFirst);
  deleted_.clear();
  files_left_ = step_.blobs.size();
  context_.close_kept_files();
  if (files_left_ == 0) return on_files_deleted();
  for (const oci::Digest& digest : step_.blobs) {
    const std::shared_ptr<DigestLane> lane = context_.lanes.get(digest);
    auto report = life_.guard([this, digest](bool gone) { on_file_deleted(digest, gone); });
    lane->lane.submit([core = context_.core, lane, digest, report] {
      const bool gone = delete_unless_used(*core, *lane, digest);
      core->loop.post([report, gone]() mutable { report(gone); });
    });
  }
}

void Removal::on_file_deleted(const oci::Digest& digest, bool gone) {
  assert(files_left_ > 0);
  if (gone) deleted_.push_back(digest);
  if (--files_left_ == 0) on_files_deleted();
}

void Removal::on_files_deleted() {
  assert(files_left_ == 0 && deleted_.size() <= step_.blobs.size());
  if (state_ == State::kDeletingFirst) {
    enter(State::kCommittingAgain);
    return commit();
  }
  forget_trash(context_.core, context_.workers, context_.lanes, std::exchange(deleted_, {}));
  const Evicted step = std::exchange(step_, {});
  if (std::holds_alternative<Leftovers>(goal_)) return measure();
  sum_.blobs += step.blobs.size();
  sum_.blob_bytes += step.blob_bytes;
  count(context_.core->counters.evicted_blobs, step.blobs.size());
  count(context_.core->counters.evicted_bytes, step.blob_bytes);
  if (is_enough()) return measure();
  if (step.all) return clear();
  enter(State::kCommitting);
  commit();
}

bool Removal::is_enough() const {
  const auto* lowest = std::get_if<LowestRanks>(&goal_);
  return lowest == nullptr || sum_.blob_bytes >= lowest->bytes;
}

// Deletes the quarantine and idle partial files, which no client needs.
void Removal::clear() {
  enter(State::kClearing);
  const WallTime before = context_.clock.wall_now() - kPartialInUse;
  auto then = life_.guard([this, before](const std::vector<oci::Digest>& old) {
    delete_old_partials(context_.core, context_.lanes, old, before,
                        life_.guard([this] { measure(); }));
  });
  context_.workers.submit_long([core = context_.core, before, then = std::move(then)] {
    core->files.clear_quarantine();
    core->loop.post([then, old = list_old_partials(*core, before)]() mutable { then(old); });
  });
}

void Removal::measure() {
  enter(State::kMeasuring);
  // An eviction that evicted nothing is no event: it may be repeated every few seconds.
  const bool anything = sum_.blobs + sum_.manifests > 0;
  if (anything && !std::holds_alternative<Leftovers>(goal_)) {
    context_.core->events.tell(events::Evicted{sum_.blobs, sum_.blob_bytes, sum_.manifests});
  }
  context_.space.refresh(life_.guard([this] { end(sum_); }));
}

// `done` may destroy this removal.
void Removal::end(const Result<cache::EvictedSum>& result) {
  enter(State::kEnded);
  const auto done = std::exchange(done_, nullptr);
  done(result);
}

}  // namespace layby::store
