// SPDX-License-Identifier: Apache-2.0
//
// Opens a store on the disks that power cuts may leave, and compares what the store has with the
// claims. A store is opened only once on equal disks. The draws have a fixed seed.

#ifndef LAYBY_TESTS_STORE_CRASH_REPLAYER_H_
#define LAYBY_TESTS_STORE_CRASH_REPLAYER_H_

#include <cstddef>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "store/crash_claims.h"
#include "store/crash_states.h"
#include "store/crash_store.h"

namespace layby::testing {

// A run of the store that was recorded.
struct Scenario {
  Recording recording;
  Claims claims;
  KnownContent known;
  bool is_damaged = false;  // A published file is damaged before the recording.
  // Of this many disks, one is also looked at without its index. 0 turns this off, for a ledger
  // that may lack content from before the recording.
  std::size_t index_losses = 4;
};

class CrashReplayer {
 public:
  CrashReplayer(const Scenario& scenario, NameOrder order, std::string folder)
      : scenario_(scenario), order_(order), folder_(std::move(folder)) {}

  // Replays each crash point with all or with none of its loose operations, and then replays
  // `draws` random losses. Returns the first broken promise in words; empty if there is none.
  std::string run(std::size_t draws);
  // Like run(), but with more crash points. Each crash point is replayed with all and with none of
  // the loose operations, and with each loose operation lost alone, kept alone and torn.
  std::string run_long(std::size_t draws);

  std::size_t cuts() const { return cuts_; }
  std::size_t disks() const { return seen_.size(); }

 private:
  // What a store has on a disk.
  struct Sight {
    std::string trouble;
    Values values;
  };

  CrashStore::MayLeave may_leave() const {
    return {order_ == NameOrder::kAny, scenario_.is_damaged};
  }
  template <typename TryPoint>
  std::string run_points(const std::vector<std::size_t>& ends, std::size_t draws,
                         TryPoint try_point);
  bool try_all_or_none(const CrashPoint& point);
  bool try_singles(const CrashPoint& point);
  bool try_draw(const CrashPoint& point);
  bool try_loss(const CrashPoint& point, const Loss& loss);
  std::string broken(const DiskImage& image, std::size_t end);
  std::string broken_without_index(DiskImage image, std::size_t end);
  const Sight& look(const DiskImage& image);
  Sight look_now(const DiskImage& image, std::size_t kind) const;
  std::string look_at_partials(CrashStore& store, bool refill) const;
  std::string look_a_day_later() const;
  std::string lose_index(const Values& before) const;
  std::size_t ledger_synced_at(std::size_t end) const;

  const Scenario& scenario_;
  const NameOrder order_;
  const std::string folder_;
  std::mt19937 random_{20'250'101};
  std::map<std::size_t, Sight> seen_;  // By the hash of the disk.
  std::size_t cuts_ = 0;
  std::string broken_;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_STORE_CRASH_REPLAYER_H_
