// SPDX-License-Identifier: Apache-2.0
//
// Decides when a second request for the same bytes, a hedge, may go out while the first request
// gets no answer. A hedge goes out when the first byte is later than usual, and the hedges keep to
// a budget. One object knows one upstream. The clock is an argument.
//
// Invariants: 0 <= parts_ <= the budget's most; the budget pays for each hedge before it is sent.

#ifndef LAYBY_POLICY_HEDGE_H_
#define LAYBY_POLICY_HEDGE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "layby/base/clock.h"

namespace layby::policy {

class Hedge {
 public:
  // The bounds of delay().
  static constexpr std::chrono::milliseconds kLeastDelay{2'000};
  static constexpr std::chrono::milliseconds kMostDelay{10'000};
  // The hedges of one request.
  static constexpr int kMost = 3;

  // Who waits for the answer.
  enum class For {
    kFirst,     // The clients that waited when the request was sent.
    kNewcomer,  // A client that came when the answer was late already.
  };

  // A request was sent that isn't a hedge.
  void on_request();
  // A first byte came `took` after its request.
  void on_first_byte(std::chrono::milliseconds took);
  // How long a first byte may take before a hedge goes out: twice the time within which 95 of the
  // last 100 first bytes came.
  std::chrono::milliseconds delay() const;

  // Takes a hedge out of the budget; false if the budget has none for `who`. The budget has five
  // hedges at first. Each fiftieth request adds a hedge, up to 25. Below five, every twelve seconds
  // add a hedge. The last two hedges of the budget are for newcomers.
  bool take(For who, SteadyTime now);
  // The hedge that was taken last wasn't sent.
  void give_back();

 private:
  void refill(SteadyTime now);

  std::vector<std::chrono::milliseconds> times_;  // The last first bytes; a ring when it is full.
  std::size_t oldest_ = 0;                        // In times_, when it is full.
  std::int64_t parts_ = 250;                      // The budget, in fiftieths of a hedge.
  SteadyTime refilled_at_{};
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_HEDGE_H_
