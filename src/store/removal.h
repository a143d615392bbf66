// SPDX-License-Identifier: Apache-2.0
//
// One removal of content from the disk: the lowest ranks until enough is freed, one image, or
// the trash that an earlier run left. One commit erases the records of a step and notes its
// blobs as trash; then their files are deleted, and the notes are erased when the deletions
// are durable. Loop thread. Invariants: a commit is under way or files are being deleted,
// never both, and `done` is called once, last.

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
  // What the store lends to its removals. All of it outlives them.
  struct Context {
    std::shared_ptr<Core> core;
    event::Workers& workers;
    const Clock& clock;
    DigestLanes& lanes;
    DiskSpace& space;
    std::function<std::set<oci::Digest>()> blobs_being_read;  // They stay.
  };

  // At least `bytes` of the lowest ranks, in as many steps as that takes. When too little may
  // be evicted, idle partial files and the quarantine go too.
  struct LowestRanks {
    std::uint64_t bytes = 0;
  };
  // The parts of one image that nothing else needs.
  struct Image {
    cache::TagKey key;
  };
  // Blobs that an earlier run evicted. They don't count as evicted again.
  struct Leftovers {
    std::vector<oci::Digest> blobs;
  };
  using Goal = std::variant<LowestRanks, Image, Leftovers>;

  // Begins. `done` comes after the constructor has returned. Destroying the removal drops
  // the callback; the step that is under way is still finished, or its notes stay.
  Removal(const Context& context, Goal goal, cache::Given<cache::EvictedSum> done);

  Removal(const Removal&) = delete;
  Removal& operator=(const Removal&) = delete;

 private:
  enum class State {
    kNew,              // Nothing is under way yet.
    kCommitting,       // A commit takes the content of a step out of the index.
    kDeletingFirst,    // The disk is too full to commit. The chosen files are deleted first.
    kCommittingAgain,  // A commit repeats the step whose files were deleted first.
    kDeleting,         // The files of a committed step are deleted.
    kClearing,         // Nothing more may be evicted. Idle partial files are deleted.
    kMeasuring,        // The file system is asked how much room there is now.
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
  Evicted step_;  // Chosen by the last commit.
  std::size_t files_left_ = 0;
  std::vector<oci::Digest> deleted_;  // Blobs of step_ whose files are gone.
  cache::EvictedSum sum_;
  Lifetime life_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_REMOVAL_H_
