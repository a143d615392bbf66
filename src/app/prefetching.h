// SPDX-License-Identifier: Apache-2.0
//
// The prefetch list while the daemon runs: its file is watched, what is on it is fetched
// when it is due, and whoever asks is told how it goes. A list with faults changes
// nothing: the last good one stays. Lives on the loop thread.

#ifndef LAYBY_SRC_APP_PREFETCHING_H_
#define LAYBY_SRC_APP_PREFETCHING_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/file_mark.h"
#include "layby/admin/prefetch.h"
#include "layby/app/config.h"
#include "layby/app/prefetch_list.h"
#include "layby/base/clock.h"
#include "layby/cache/cache.h"
#include "layby/cache/prefetch.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "layby/policy/run_schedule.h"

namespace layby::app {

class Prefetching {
 public:
  // All outlive this.
  struct Context {
    const Config& config;
    cache::Cache& cache;
    event::Loop& loop;
    event::Workers& workers;
    const Clock& clock;
  };
  explicit Prefetching(const Context& context);
  ~Prefetching();

  // Reads the file now, whether or not it looks changed.
  void reload();

  admin::PrefetchStatus status() const;
  // Begins a run, or gives the number of the one under way. kDenied says why there is
  // nothing to run.
  Result<std::uint64_t> start();
  void stop();
  // Calls `done` with what a run would do: admin::plan_json. Errors are those of start().
  cache::Handle plan(bool sizes, std::function<void(Result<std::string>)> done);

 private:
  struct Reading {
    FileMark mark;
    std::optional<PrefetchListOutcome> list;  // When the mark has changed.
  };
  static Reading read(const std::string& path, const std::optional<FileMark>& known);

  void look_at_file();
  void on_read(Reading reading);
  void take_list(const PrefetchListConfig& list);
  // Begins and stops runs as the schedule has it.
  void keep_schedule();
  void keep_schedule_soon();
  void on_ended();
  std::optional<Error> why_not() const;
  std::chrono::seconds time_of_day() const;

  const Context context_;
  cache::Prefetcher& prefetcher_;
  PrefetchListConfig list_;  // The last good one.
  std::vector<ConfigFault> faults_;
  std::optional<FileMark> mark_;
  bool reading_ = false;
  std::optional<policy::RunSchedule> schedule_;  // While the list has images.
  bool asked_for_ = false;                       // The run under way: it heeds no window.
  std::string result_;
  cache::Handle file_timer_;
  cache::Handle schedule_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_PREFETCHING_H_
