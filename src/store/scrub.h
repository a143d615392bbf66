// SPDX-License-Identifier: Apache-2.0
//
// The scrub verifies all stored blobs again, one pass in each period, since flash cards lose bits.
// A periodic pass is slow, and slower during traffic; a pass on demand runs at full speed. The
// index stores the start and the position of the pass. After the index was made anew, a walk over
// the files puts the blobs back into the index. A pass that can't read the index fails, and begins
// again later. A Scrub lives on the loop thread. Invariants: at most one step of one walk is under
// way, and answers to an earlier walk are dropped.

#ifndef LAYBY_STORE_SCRUB_H_
#define LAYBY_STORE_SCRUB_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "layby/base/clock.h"
#include "layby/base/lifetime.h"
#include "layby/cache/operator_store.h"
#include "layby/event/workers.h"
#include "store/blob_check.h"
#include "store/core.h"
#include "store/records.h"

namespace layby::store {

struct ScrubOptions {
  std::chrono::milliseconds every{std::chrono::hours(24 * 30)};    // 0: only on demand.
  std::uint64_t max_rate = 8 << 20;                                // Bytes a second.
  std::chrono::milliseconds retry_after{std::chrono::minutes(1)};  // The wait after a failed pass.
};

class Scrub {
 public:
  struct Context {
    std::shared_ptr<Core> core;
    event::Workers& workers;
    const Clock& clock;
    // Takes a damaged blob, whose file has the inode `inode`, out of service, then calls `then`.
    std::function<void(const oci::Digest&, std::uint64_t inode, std::function<void()> then)>
        set_aside;
    // Checks again whether an indexed blob has its file, and drops a blob without a file.
    std::function<void(const oci::Digest&)> look_again;
  };

  Scrub(const ScrubOptions& options, Context context);
  ~Scrub();

  // Resumes the pass that the index has noted, or waits for the next pass. If the index was
  // made anew, walks the files first.
  void start();
  // Starts a pass at full speed, from the beginning. A walk of the files that is under way ends
  // first.
  void run_now();

  cache::ScrubStatus status() const;

  Scrub(const Scrub&) = delete;
  Scrub& operator=(const Scrub&) = delete;

 private:
  enum class State {
    kWaiting,    // No walk is under way. The timer begins the next pass.
    kStarting,   // The note of an earlier process is read from the index.
    kFiles,      // The scrub walks all shelves, for a new index.
    kFilesDone,  // The commit that ends the walk of the files is under way.
    kPass,       // The scrub walks all blobs of the index.
    kFailed,     // The index could not be read. The timer begins the pass again.
  };

  void enter(State state);
  void begin_walk(State walk);
  void resume(const std::optional<ScrubNote>& note);
  void begin_pass();
  void begin_files();
  void next();
  void refill_from_files();
  void refill_from_index();
  void check(const oci::Digest& digest);
  void on_checked(const oci::Digest& digest, const CheckedBlob& checked);
  void put_back(const oci::Digest& digest, const CheckedBlob& checked);
  void end_pass();
  void fail_pass(const Error& error);
  void end_files();
  void on_files_done(bool noted);
  void wait_for_next_pass();
  void save();
  std::chrono::milliseconds pace(std::uint64_t read_bytes);
  bool busy();
  template <typename Ask, typename Take>
  void ask_helper(Ask ask, Take take);

  const ScrubOptions options_;
  const Context context_;
  State state_ = State::kWaiting;
  bool on_demand_ = false;
  std::deque<oci::Digest> ahead_;
  std::optional<oci::Digest> last_;  // kPass: the last digest that was put into ahead_.
  std::optional<oci::Digest> done_;  // kPass: the last digest that was checked.
  int shelf_ = 0;                    // kFiles: the next shelf to list.
  int generation_ = 0;               // kFiles: the generation of the index being rebuilt.
  WallTime pass_began_;
  std::optional<WallTime> pass_ended_;
  std::uint64_t checked_blobs_ = 0;
  std::uint64_t checked_bytes_ = 0;
  std::uint64_t bad_blobs_ = 0;
  std::uint64_t unsaved_blobs_ = 0;
  std::uint64_t unsaved_bytes_ = 0;
  std::uint64_t traffic_seen_ = 0;
  SteadyTime traffic_seen_at_;
  SteadyTime paced_until_;
  std::unique_ptr<BlobCheck> check_;
  std::unique_ptr<BlobCheck> over_;  // The last finished check; its callback may be running.
  Handle timer_;
  std::optional<Lifetime> walk_{std::in_place};  // Made anew for each walk, to drop old answers.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_SCRUB_H_
