// SPDX-License-Identifier: Apache-2.0
//
// The lines that `layby prefetch` prints during a run if stdout is no terminal: a line when an
// image was fetched or failed, and the sum every ten seconds. An unchanged sum is not repeated,
// because a run may wait for hours. Pure.

#ifndef LAYBY_SRC_CLI_PREFETCH_LOG_H_
#define LAYBY_SRC_CLI_PREFETCH_LOG_H_

#include <chrono>
#include <map>
#include <string>

#include "cli/moving_rate.h"
#include "cli/prefetch_look.h"

namespace layby::cli {

class PrefetchLog {
 public:
  // The new lines, each with a line break; often empty. `elapsed` never falls from look to look.
  std::string lines(const PrefetchLook& look, std::chrono::milliseconds elapsed);

 private:
  std::string ends(const PrefetchLook& look);
  std::string sum(const PrefetchLook& look, std::chrono::milliseconds elapsed);

  MovingRate rate_;
  std::map<std::string, PrefetchImage::State> states_;  // The states in the last look.
  std::chrono::milliseconds printed_at_{0};
  std::string printed_;
};

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_PREFETCH_LOG_H_
