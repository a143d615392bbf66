// SPDX-License-Identifier: Apache-2.0
//
// What `layby prefetch` shows of its run on a terminal: a line for each image that is
// at work or failed, the others counted, the sum, and why it waits if it does. Never
// more than the screen holds. Pure: a look and a time in, lines out.

#ifndef LAYBY_SRC_CLI_PREFETCH_DISPLAY_H_
#define LAYBY_SRC_CLI_PREFETCH_DISPLAY_H_

#include <chrono>
#include <string>
#include <vector>

#include "cli/moving_rate.h"
#include "cli/prefetch_look.h"
#include "cli/screen.h"

namespace layby::cli {

class PrefetchDisplay {
 public:
  // For LiveLines: each shorter than `screen` is wide, and one row of it stays free.
  // `elapsed` rises from look to look.
  std::vector<std::string> lines(const PrefetchLook& look, std::chrono::milliseconds elapsed,
                                 const Screen& screen);

 private:
  MovingRate rate_;
};

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_PREFETCH_DISPLAY_H_
