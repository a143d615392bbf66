// SPDX-License-Identifier: Apache-2.0
//
// Runs the prefetch list in the daemon: watches the list's file, begins each run when it is due,
// and reports the progress of a run. If the file has faults, the last good list stays in force.
// Lives on the loop thread; a helper thread reads the file.

#ifndef LAYBY_SRC_APP_PREFETCHING_H_
#define LAYBY_SRC_APP_PREFETCHING_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/watched_files.h"
#include "layby/admin/prefetch.h"
#include "layby/app/config.h"
#include "layby/app/prefetch_list.h"
#include "layby/base/clock.h"
#include "layby/cache/cache.h"
#include "layby/cache/prefetch.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "layby/events/events.h"
#include "layby/policy/run_schedule.h"

namespace layby::app {

class Prefetching {
 public:
  // Everything in Context outlives the Prefetching.
  struct Context {
    const Config& config;
    cache::Cache& cache;
    event::Loop& loop;
    event::Workers& workers;
    const Clock& clock;
    events::Events& events;
    std::uint32_t seed = 0;  // Decides when this box's runs begin (box_seed()).
  };
  explicit Prefetching(const Context& context);
  ~Prefetching();

  // Reads the list's file again, even if the file looks unchanged.
  void reload();
  // Called after the configuration has changed. Reads the list again, perhaps from another file.
  void reconfigure();

  admin::PrefetchStatus status() const;
  // Begins a run unless a run is under way. Returns the number of the run. The error kDenied says
  // why no run can begin.
  Result<std::uint64_t> start();
  void stop();
  // Calls `done` with the plan of a run, in the JSON of admin::plan_json. If no run can begin,
  // calls `done` before plan() returns, with the error that start() would return.
  Handle plan(bool sizes, std::function<void(Result<std::string>)> done);

 private:
  void watch();
  void on_read(PrefetchListOutcome read);
  void take_list(const PrefetchListConfig& list);
  // Begins and stops runs by the schedule.
  void keep_schedule();
  void keep_schedule_soon();
  void on_ended();
  std::optional<Error> why_not() const;
  std::chrono::seconds time_of_day() const;

  const Context context_;
  cache::Prefetcher& prefetcher_;
  PrefetchListConfig list_;  // The last list without faults.
  std::vector<ConfigFault> faults_;
  std::optional<policy::RunSchedule> schedule_;  // Set while the list has images.
  bool asked_for_ = false;                       // start() was called: the run ignores the window.
  std::string result_;
  Handle schedule_timer_;
  std::string path_;                                       // The file that file_ watches.
  std::optional<WatchedFiles<PrefetchListOutcome>> file_;  // Not set without a path.
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_PREFETCHING_H_
