// SPDX-License-Identifier: Apache-2.0
//
// A box of the site: the real cache with its guards, its failover and its prefetcher. A crash may
// end the box's life at any moment; the next life finds what the store had published. The store,
// the link and the clock outlive each life.

#ifndef LAYBY_TESTS_SIMULATION_BOX_H_
#define LAYBY_TESTS_SIMULATION_BOX_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layby/cache/cache.h"
#include "layby/cache/guard.h"
#include "simulation/uplink.h"
#include "support/fake_store.h"

namespace layby::simulation {

struct BoxRules {
  std::size_t number = 0;
  double link_bytes_per_second = 0;  // See site_day/link.h.
  int requests_per_minute = 0;
  std::uint64_t max_bytes = 0;    // Of the cache.
  std::vector<ImageName> listed;  // The prefetch list.
};

class Box {
 public:
  // `parent` is null or outlives the box.
  Box(const Internet& internet, BoxRules rules, Box* parent);
  ~Box();
  Box(const Box&) = delete;
  Box& operator=(const Box&) = delete;

  std::size_t number() const { return rules_.number; }
  bool up() const { return cache_ != nullptr; }
  cache::Cache& cache() { return *cache_; }
  const cache::Origin& origin() { return *cache_->find_origin(""); }
  const testing::FakeStore& store() const { return store_; }
  JumpingClock& clock() { return clock_; }
  // The sum of the jumps of its clock and of its parents' clocks. A parent whose clock was set back
  // says a wrong age.
  milliseconds jumped() const {
    return clock_.jumped() + (parent_ != nullptr ? parent_->jumped() : milliseconds(0));
  }

  // Whether a fill that begins now gives no byte of the blob before the digest matches. `bytes` is
  // the size of the blob.
  bool holds_back(const oci::Digest& digest, std::size_t bytes) const;
  // Notes that somebody asks for a blob, by its digest, or for a manifest, by its repository.
  void note_want(const std::string& what);

  // Calls `then` at the crash that ends the present life, unless the handle was destroyed. `then`
  // must destroy all readers and handles of this life.
  Handle on_crash(std::function<void()> then);
  // Cuts the power; `random` decides which unsynced bytes survive. The next life begins after the
  // time `later`.
  void crash(simulator::Random& random, milliseconds later);
  // Lets the disk refuse some tries of one step, for `time` at most.
  void fail_disk(simulator::Random& random, milliseconds time);
  // Fills the disk with other files for the time `time`.
  void fill_disk(milliseconds time);
  // Draws a new prefetch list.
  void reload(simulator::Random& random);

  // No further prefetch begins.
  void stop();

  // Checks the promises of the box.
  void check();
  // The work that is left: fills, writers, requests. nullopt if no work is left.
  std::optional<std::string> busy() const;

 private:
  class Crash;

  void start();
  void set_list();
  void prefetch_again(milliseconds wait);
  std::vector<cache::Origin> make_origins();
  std::size_t fills_of(const oci::Digest& digest) const;
  // How often the blob was asked for lately. Each listed image counts as a request too.
  std::size_t wants_of(const std::string& what);

  const Internet& internet_;
  const BoxRules rules_;
  Box* const parent_;
  JumpingClock clock_;
  LifeTimers timers_;
  site_day::Link link_;
  PullWindow pulls_;
  testing::FakeStore store_;
  std::vector<ImageName> listed_;
  std::map<std::string, std::deque<SteadyTime>> wants_;
  std::map<std::uint64_t, std::function<void()>> on_crash_;
  std::uint64_t ears_ = 0;
  Handle back_;        // The timer of the next life.
  Handle disk_sound_;  // The timer of the end of a disk's failures.
  Handle disk_back_;   // The timer of the end of a full disk.

  // The present life.
  std::unique_ptr<Counters> counters_;
  std::unique_ptr<events::Events> events_;
  Handle listening_;
  Uplink* uplink_ = nullptr;
  std::vector<const cache::Guard*> guards_;
  Handle prefetching_;
  std::unique_ptr<cache::Cache> cache_;
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_BOX_H_
