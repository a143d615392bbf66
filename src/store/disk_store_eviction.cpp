// SPDX-License-Identifier: Apache-2.0
//
// How content leaves the disk. One commit erases a blob's record and notes the blob as
// trash; then its file is deleted, and the note is erased when the deletion is durable. A
// crash in between leaves notes; the next start deletes their files. On a disk so full that
// the index can't be written, a few files are deleted first; a crash then leaves records of
// missing files, which open_blob() drops. Invariants of a Removal: files are being deleted
// or a commit is under way, never both, and `done` is called once.

#include <fcntl.h>
#include <unistd.h>

#include <cassert>
#include <set>
#include <utility>

#include "layby/base/log.h"
#include "layby/store/disk_store.h"
#include "store/core.h"
#include "store/disk_space.h"
#include "store/eviction.h"
#include "store/reach.h"
#include "store/touches.h"

namespace layby::store {
namespace {

// Content that was used or stored this recently is evicted last: its pull may be under way.
constexpr std::chrono::minutes kInUse{2};

// A partial file that was written this recently stays: a fill may resume it soon.
constexpr std::chrono::minutes kPartialInUse{5};

}  // namespace

// One eviction under way. It repeats the steps choose, commit and delete until enough is
// freed.
struct DiskStore::Removal {
  std::uint64_t wanted_bytes = 0;
  std::optional<cache::TagKey> image;  // When set: evicts this image, in one step.
  EvictionOrder order;
  cache::Given<cache::EvictedSum> done;
  cache::EvictedSum sum;
  Evicted step;              // Chosen by the last commit, or the commit under way.
  bool files_first = false;  // The files of `step` go before its commit: the disk is full.
  std::size_t files_left = 0;
  std::vector<oci::Digest> removed;  // Blobs of `step` whose files are deleted.
};

void DiskStore::evict(std::uint64_t bytes, cache::Given<cache::EvictedSum> done) {
  write_touches();  // Commits run in order, so the eviction sees these uses.
  auto removal = std::make_shared<Removal>();
  removal->wanted_bytes = bytes;
  removal->done = std::move(done);
  removal->order.used_since = clock_.wall_now() - kInUse;
  commit_eviction(removal);
}

void DiskStore::evict_image(const cache::TagKey& key, cache::Given<cache::EvictedSum> done) {
  auto removal = std::make_shared<Removal>();
  removal->image = key;
  removal->done = std::move(done);
  commit_eviction(removal);
}

void DiskStore::commit_eviction(const std::shared_ptr<Removal>& removal) {
  assert(removal->files_left == 0);
  assert(removal->sum.blob_bytes <= removal->wanted_bytes);
  removal->order.bytes = removal->wanted_bytes - removal->sum.blob_bytes;
  removal->order.spare.clear();
  for (const auto& [digest, file] : open_) {
    if (!file.expired()) removal->order.spare.insert(digest);
  }
  CommitQueue::Entry entry;
  entry.write = [removal](WriteTxn& txn) -> Status {
    Result<Evicted> evicted = removal->image ? store::evict_image(txn, *removal->image)
                                             : evict_lowest(txn, removal->order);
    if (!evicted) return std::move(evicted).error();
    removal->step = *std::move(evicted);
    return {};
  };
  entry.done = [this, weak = std::weak_ptr(alive_), removal](const Status& status) {
    if (weak.expired()) return;
    const bool full = !status.ok() && status.error().code == ErrorCode::kNoSpace;
    if (full && !removal->files_first && !removal->step.blobs.empty()) {
      removal->files_first = true;  // Tried once: afterwards there is room to commit.
      return remove_files(removal);
    }
    if (!status.ok()) return removal->done(status.error());
    removal->files_first = false;
    removal->sum.manifests += removal->step.manifests;
    remove_files(removal);
  };
  core_->commits->add(std::move(entry));
}

void DiskStore::remove_files(const std::shared_ptr<Removal>& removal) {
  assert(removal->files_left == 0);
  removal->removed.clear();
  removal->files_left = removal->step.blobs.size();
  if (removal->files_left == 0) return finish_removal(removal);
  for (const oci::Digest& digest : removal->step.blobs) {
    const auto lane = lane_of(digest);
    lane->lane.submit([this, weak = std::weak_ptr(alive_), core = core_, lane, digest,
                       removal = removal]() mutable {
      // A fill that uses the file puts the blob back into the index. If the fill ends early,
      // the file stays trash until the next start.
      const bool free = lane->published_users == 0;
      const Status removed = free ? core->files.remove_published(digest) : Status();
      if (!removed) log::error("{}", removed.error().message);
      // Moved on: the objects that the removal holds must be destroyed on the loop thread.
      core->loop.post(
          [this, weak, digest, gone = free && removed.ok(), removal = std::move(removal)] {
            if (weak.expired()) return;
            assert(removal->files_left > 0);
            if (gone) removal->removed.push_back(digest);
            if (--removal->files_left == 0) finish_removal(removal);
          });
    });
  }
}

void DiskStore::finish_removal(const std::shared_ptr<Removal>& removal) {
  assert(removal->files_left == 0 && removal->removed.size() <= removal->step.blobs.size());
  if (removal->files_first) return commit_eviction(removal);
  const Evicted step = std::exchange(removal->step, {});
  removal->sum.blobs += step.blobs.size();
  removal->sum.blob_bytes += step.blob_bytes;
  count(core_->counters.evicted_blobs, step.blobs.size());
  count(core_->counters.evicted_bytes, step.blob_bytes);
  forget_trash(std::move(removal->removed));
  const bool enough = removal->sum.blob_bytes >= removal->wanted_bytes;
  if (!removal->image && !enough && !step.all) return commit_eviction(removal);
  if (removal->image || enough) return report_removal(removal);
  remove_idle_partials([this, removal] { report_removal(removal); });
}

void DiskStore::report_removal(const std::shared_ptr<Removal>& removal) {
  const cache::EvictedSum& sum = removal->sum;
  core_->events.tell(events::Evicted{sum.blobs, sum.blob_bytes, sum.manifests});
  space_->refresh([removal] { removal->done(removal->sum); });
}

// Frees what no client needs: old partial files and the quarantine.
void DiskStore::remove_idle_partials(std::function<void()> then) {
  const WallTime before = clock_.wall_now() - kPartialInUse;
  workers_.submit_long(
      [this, core = core_, weak = std::weak_ptr(alive_), before, then = std::move(then)]() mutable {
        core->files.clear_quarantine();
        std::vector<oci::Digest> idle;
        for (const PartialFile& partial : core->files.list_partials(before)) {
          if (partial.written_at < before) idle.push_back(partial.digest);
        }
        core->loop.post([this, weak, before, idle = std::move(idle), then = std::move(then)] {
          if (!weak.expired()) remove_idle(idle, before, then);
        });
      });
}

// Erases the notes of deleted files, and their grants, after the deletions are durable.
// Grants that were given meanwhile are put again.
void DiskStore::forget_trash(std::vector<oci::Digest> digests) {
  if (digests.empty()) return;
  std::vector<std::shared_ptr<DigestLane>> lanes;
  lanes.reserve(digests.size());
  for (const oci::Digest& digest : digests) lanes.push_back(lane_of(digest));
  workers_.submit_long([core = core_, digests = std::move(digests), lanes = std::move(lanes)] {
    if (Status synced = core->files.sync_shelves(digests); !synced) {
      return log::error("{}", synced.error().message);
    }
    core->commits->add(
        [digests, lanes](WriteTxn& txn) -> Status {
          for (std::size_t i = 0; i < digests.size(); ++i) {
            if (Status cleared = txn.clear_trash(digests[i]); !cleared) return cleared;
            if (Status put = lanes[i]->grants.put(txn, digests[i]); !put) return put;
          }
          return {};
        },
        nullptr);
  });
}

// Deletes the files that an earlier run evicted and did not delete.
void DiskStore::empty_trash() {
  std::vector<oci::Digest> trash;
  Result<ReadTxn> txn = core_->commits->index().read();
  if (!txn) return;
  const Status read = txn->each_trash([&trash](const oci::Digest& digest) {
    trash.push_back(digest);
    return true;
  });
  if (!read || trash.empty()) return;
  auto removal = std::make_shared<Removal>();
  removal->image.emplace();  // So that the removal ends after one step.
  removal->step.blobs = std::move(trash);
  removal->done = [](const Result<cache::EvictedSum>&) {};
  remove_files(removal);
}

}  // namespace layby::store
