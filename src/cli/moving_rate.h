// SPDX-License-Identifier: Apache-2.0
//
// The bytes per second over the last ten seconds. A shorter time would make the rate jump when a
// layer begins; a longer time would hide that the link has become slow. Pure.

#ifndef LAYBY_SRC_CLI_MOVING_RATE_H_
#define LAYBY_SRC_CLI_MOVING_RATE_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

namespace layby::cli {

class MovingRate {
 public:
  // `bytes` is the sum of bytes received until the time `at`. Times never fall. If the sum falls, a
  // new measurement starts.
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
