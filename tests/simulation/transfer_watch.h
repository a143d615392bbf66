// SPDX-License-Identifier: Apache-2.0
//
// Ends a transfer that stalls, or that is slower than the floor of the rate, by the limits of
// layby/upstream/registry.h. The time of a pause doesn't count.

#ifndef LAYBY_TESTS_SIMULATION_TRANSFER_WATCH_H_
#define LAYBY_TESTS_SIMULATION_TRANSFER_WATCH_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/policy/rate_floor.h"

namespace layby::simulation {

class TransferWatch {
 public:
  // Calls `on_too_slow` at most once. The callback may destroy the watch. References outlive the
  // watch.
  TransferWatch(Timers& timers, const Clock& clock, std::function<void()> on_too_slow)
      : timers_(timers), clock_(clock), on_too_slow_(std::move(on_too_slow)) {}

  // The request was sent. The watch waits for the answer.
  void begin();
  // The answer has begun.
  void begin_body();
  void count(std::size_t bytes);
  void pause();
  void resume();
  // The transfer is over.
  void end();

 private:
  void arm();
  void on_window_end();

  Timers& timers_;
  const Clock& clock_;
  const std::function<void()> on_too_slow_;
  bool under_way_ = false;
  bool paused_ = false;
  std::optional<policy::RateFloor> floor_;
  Handle stall_;
  Handle window_;
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_TRANSFER_WATCH_H_
