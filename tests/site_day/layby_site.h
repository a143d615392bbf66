// SPDX-License-Identifier: Apache-2.0
//
// A Layby in front of the registry: the real cache with its guard and its prefetcher, over a
// store in memory. The rules have the configuration's defaults, except for the rules
// that day.cpp compares. The store begins empty. Time is simulated.

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
  // All arguments passed by reference outlive the LaybySite.
  LaybySite(cache::GuardRules rules, bool pull_ahead, std::unique_ptr<cache::Upstream> registry,
            Timers& timers, const Clock& clock);

  // Fetches `images` now, every six hours, and when a client's pull finds a moved tag.
  void prefetch(const std::vector<ImageName>& images);
  // Starts no further run.
  void end() { schedule_timer_.reset(); }

  Source& source() { return source_; }
  const Counters& counters() const { return counters_; }

 private:
  void keep_schedule();
  void keep_schedule_soon();

  Timers& timers_;
  const Clock& clock_;
  testing::FakeStore store_;
  Counters counters_;
  events::Events events_;
  cache::Cache cache_;
  LaybySource source_;
  policy::RunSchedule schedule_;
  Handle schedule_timer_;
};

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_LAYBY_SITE_H_
