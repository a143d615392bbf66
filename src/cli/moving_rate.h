// SPDX-License-Identifier: Apache-2.0
//
// Bytes per second over the last ten seconds: long enough not to jump when a layer
// begins, short enough to show that a line has become slow. Pure.

#ifndef LAYBY_SRC_CLI_MOVING_RATE_H_
#define LAYBY_SRC_CLI_MOVING_RATE_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

namespace layby::cli {

class MovingRate {
 public:
  // Takes the sum of `bytes` received until the time `at`. Times never fall. A smaller sum
  // than before starts a new measurement.
  void take(std::uint64_t bytes, std::chrono::milliseconds at);

  // nullopt while the samples cover less than a second.
  std::optional<std::uint64_t> per_second() const;

 private:
  struct Sample {
    std::uint64_t bytes;
    std::chrono::milliseconds at;
  };

  std::deque<Sample> samples_;
};

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_MOVING_RATE_H_
