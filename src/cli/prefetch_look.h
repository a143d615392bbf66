// SPDX-License-Identifier: Apache-2.0
//
// One look at the daemon's prefetching: what GET /prefetch says of the list of images
// to keep at hand and of its present or last run. Pure.

#ifndef LAYBY_SRC_CLI_PREFETCH_LOOK_H_
#define LAYBY_SRC_CLI_PREFETCH_LOOK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "layby/app/config.h"
#include "layby/base/result.h"

namespace layby::cli {

struct PrefetchImage {
  enum class State {
    kWaiting,  // For its turn.
    kAtWork,   // Being checked or fetched; `doing` says which.
    kDone,     // Fetched by this run.
    kCurrent,  // Was whole already.
    kGivenUp,  // Failed, for `error`.
    kStopped,  // Left as it was when the run was stopped.
  };

  std::string name;  // Here and below: printable, whatever the daemon says.
  State state = State::kWaiting;
  std::string doing;  // "fetching", for a person.
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_done = 0;
  std::string error;
};

struct PrefetchLook {
  std::string list;  // The list's file.
  std::vector<app::ConfigFault> faults;
  bool waiting = false;
  std::string reason;        // Why it waits, or what comes next.
  std::uint64_t run = 0;     // The number of the present or last run; 0: there was none.
  std::string result;        // "done", "failed", "stopped"; empty while the run goes on.
  bool bytes_known = false;  // Whether `bytes_total` is of all images.
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t pulls = 0;
  std::vector<PrefetchImage> images;
  std::string json;  // The answer itself.
};

// kInvalid when `body` tells nothing of prefetching.
Result<PrefetchLook> read_prefetch(const std::string& body);

// Where a run is: going on, at its end, or gone with the daemon that made it.
enum class RunState { kGoing, kEnded, kLost };
RunState state_of_run(const PrefetchLook& look, std::uint64_t run);

std::uint64_t count_of(const PrefetchLook& look, PrefetchImage::State state);

// Whether the run, at its end, did all it was for.
bool all_fine(const PrefetchLook& look);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_PREFETCH_LOOK_H_
