// SPDX-License-Identifier: Apache-2.0
//
// The lines that `layby prefetch` shows on a terminal during a run: a line for each image at work
// or failed, the numbers of images, the sum, and the reason for a wait. The lines always fit on the
// screen. Pure.

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
  // Returns lines for LiveLines. Each line is shorter than the width of `screen`, and one row of
  // `screen` stays free. `elapsed` never falls from look to look.
  std::vector<std::string> lines(const PrefetchLook& look, std::chrono::milliseconds elapsed,
                                 const Screen& screen);

 private:
  MovingRate rate_;
};

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_PREFETCH_DISPLAY_H_
