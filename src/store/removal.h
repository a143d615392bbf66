// SPDX-License-Identifier: Apache-2.0
//
// A Removal removes content from the disk: the lowest ranks until enough is freed, one image, or
// the trash of an earlier process. One commit erases the records of a step and notes the blobs as
// trash. Then the blobs' files are deleted; the notes are erased after the deletions are durable. A
// Removal lives on the loop thread. Invariants: the commit of a step never overlaps with the
// deletion of files, and `done` is called once, last.

#ifndef LAYBY_STORE_REMOVAL_H_
#define LAYBY_STORE_REMOVAL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <variant>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/lifetime.h"
#include "layby/cache/store.h"
#include "layby/event/workers.h"
#include "store/core.h"
#include "store/digest_lanes.h"
#include "store/disk_space.h"
#include "store/eviction.h"

namespace layby::store {

class Removal {
 public:
  // The objects that the store lends to its removals. These objects outlive the removals.
  struct Context {
    std::shared_ptr<Core> core;
    event::Workers& workers;
    const Clock& clock;
    DigestLanes& lanes;
    DiskSpace& space;
    std::function<std::set<oci::Digest>()> blobs_being_read;  // The eviction spares these blobs.
    std::function<void()> close_kept_files;  // Otherwise deleted files would hold their disk space.
  };

  // Removes the lowest ranks, in several steps, until `bytes` are freed. If too little may be
  // evicted, idle partial files and the quarantine are deleted too.
  struct LowestRanks {
    std::uint64_t bytes = 0;
    cache::Spare spare{};
  };
  // Removes the parts of one image that no other tag and no pin needs.
  struct Image {
    cache::TagKey key;
  };
  // Removes the files of blobs that an earlier process evicted. These blobs aren't counted as
  // evicted a second time.
  struct Leftovers {
    std::vector<oci::Digest> blobs;
  };
  using Goal = std::variant<LowestRanks, Image, Leftovers>;

  // Begins the removal. `done` is called after the constructor has returned. Destroying the removal
  // drops `done`. Queued work still runs, and the next start deletes the files that are left.
  Removal(const Context& context, Goal goal, cache::Given<cache::EvictedSum> done);

  Removal(const Removal&) = delete;
  Removal& operator=(const Removal&) = delete;

 private:
  enum class State {
    kNew,              // The removal has not begun.
    kCommitting,       // A commit takes the content of a step out of the index.
    kDeletingFirst,    // The disk is too full to commit. The chosen files are deleted first.
    kCommittingAgain,  // A commit repeats the step whose files were deleted first.
    kDeleting,         // The files of a committed step are deleted.
    kClearing,         // Evictions can't free enough. The quarantine and idle partials are deleted.
    kMeasuring,        // The file system is asked for the free space.
    kEnded,            // `done` was called.
  };

  void enter(State state);
  void begin();
  std::function<Result<Evicted>(WriteTxn&)> chooser() const;
  void commit();
  void on_committed(const Status& status, Evicted chosen);
  void delete_files();
  void on_file_deleted(const oci::Digest& digest, bool gone);
  void on_files_deleted();
  bool is_enough() const;
  void clear();
  void measure();
  void end(const Result<cache::EvictedSum>& result);

  const Context& context_;
  const Goal goal_;
  const WallTime in_use_since_;
  cache::Given<cache::EvictedSum> done_;
  State state_ = State::kNew;
  Evicted step_;  // The content that the last commit chose.
  std::size_t files_left_ = 0;
  std::vector<oci::Digest> deleted_;  // Blobs of step_ whose files are gone.
  cache::EvictedSum sum_;
  Lifetime life_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_REMOVAL_H_
