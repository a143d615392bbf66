// SPDX-License-Identifier: Apache-2.0
//
// One look at the daemon's prefetching: the answer to GET /prefetch, with the prefetch list
// and the present or last run. Pure.

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
    kWaiting,  // Waits for its turn.
    kAtWork,   // Is being checked or fetched; `doing` says which.
    kDone,     // Fetched by this run.
    kCurrent,  // Was already whole and up to date.
    kGivenUp,  // Failed; `error` says why.
    kStopped,  // Not finished when the run was stopped.
  };

  std::string name;
  State state = State::kWaiting;
  std::string doing;  // Words for a person, such as "fetching".
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_done = 0;
  std::string error;
};

// All texts of a PrefetchLook except `json` have passed through printable().
struct PrefetchLook {
  std::string list;  // The list's file.
  std::vector<app::ConfigFault> faults;
  bool waiting = false;
  std::string reason;        // Why no run works now; empty if nothing keeps a run from working.
  std::uint64_t run = 0;     // The number of the present or last run; 0: no run yet.
  std::string result;        // "done", "failed", "stopped"; empty during the run.
  bool bytes_known = false;  // Whether `bytes_total` covers all images.
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t pulls = 0;
  std::vector<PrefetchImage> images;
  std::string json;  // The whole answer, unchanged.
};

// kInvalid: `body` is not an answer to GET /prefetch.
Result<PrefetchLook> read_prefetch(const std::string& body);

// The state of a run: under way, ended, or lost because the daemon restarted or began another run.
enum class RunState { kGoing, kEnded, kLost };
RunState state_of_run(const PrefetchLook& look, std::uint64_t run);

std::uint64_t count_of(const PrefetchLook& look, PrefetchImage::State state);

// Whether an ended run fetched every image.
bool all_fine(const PrefetchLook& look);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_PREFETCH_LOOK_H_
