// SPDX-License-Identifier: Apache-2.0
//
// A Layby in front of the registry: the real cache with its guard and its prefetcher,
// over a store in memory, with the defaults of the configuration but for what a day is
// about. It begins empty. In simulated time.

#ifndef LAYBY_TESTS_SITE_DAY_LAYBY_SITE_H_
#define LAYBY_TESTS_SITE_DAY_LAYBY_SITE_H_

#include <memory>
#include <vector>

#include "layby/cache/cache.h"
#include "layby/cache/guard.h"
#include "layby/cache/prefetch.h"
#include "layby/policy/run_schedule.h"
#include "site_day/images.h"
#include "site_day/source.h"
#include "support/fake_store.h"

namespace layby::site_day {

class LaybySite {
 public:
  // What is passed by reference outlives it.
  LaybySite(cache::GuardRules rules, std::unique_ptr<cache::Upstream> registry,
            cache::Timers& timers, const Clock& clock);

  // Fetches these now, every six hours, and when a client finds one of them moved.
  void prefetch(const std::vector<ImageName>& images);
  // Begins no run any more.
  void end() { schedule_timer_.reset(); }

  Source& source() { return source_; }

 private:
  void keep_schedule();
  void keep_schedule_soon();

  cache::Timers& timers_;
  const Clock& clock_;
  testing::FakeStore store_;
  Counters counters_;
  cache::Cache cache_;
  LaybySource source_;
  policy::RunSchedule schedule_;
  cache::Handle schedule_timer_;
};

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_LAYBY_SITE_H_
