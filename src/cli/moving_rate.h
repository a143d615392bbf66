// SPDX-License-Identifier: Apache-2.0
//
// Bytes a second over the last ten seconds: long enough not to jump with each layer
// that begins, short enough to show that a line has become slow. Pure.

#ifndef LAYBY_SRC_CLI_MOVING_RATE_H_
#define LAYBY_SRC_CLI_MOVING_RATE_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

namespace layby::cli {

class MovingRate {
 public:
  // `bytes` had come at the time `at`; times rise. Fewer bytes than before begin anew.
  void take(std::uint64_t bytes, std::chrono::milliseconds at);

  // nullopt before there is a second to tell it from.
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
