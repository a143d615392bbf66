// SPDX-License-Identifier: Apache-2.0
//
// Decides when a second request for the same bytes, a hedge, may go out while the first request
// gets no answer. A hedge goes out when the first byte is later than usual, and the hedges keep to
// a budget. There is one object for each upstream. The clock is an argument.
//
// Invariants: 0 <= parts_ <= kMostSaved; a hedge is taken out of the budget before the hedge is
// sent.

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
  // The most hedges of one request.
  static constexpr int kMost = 3;

  // Who waits for the answer.
  enum class For {
    kFirst,     // The clients that waited when the request was sent.
    kNewcomer,  // A client that came when the answer was late already.
  };

  // A request other than a hedge was sent.
  void on_request();
  // A first byte came `took` after its request.
  void on_first_byte(std::chrono::milliseconds took);
  // How long a first byte may take before a hedge goes out: twice the time within which 95 of the
  // last 100 first bytes came.
  std::chrono::milliseconds delay() const;

  // Takes a hedge out of the budget. Returns false if the budget has no hedge for `who`. The budget
  // has five hedges at first. Each fiftieth request adds a hedge, up to 25. While the budget has
  // fewer than five hedges, time adds a hedge every twelve seconds. Only newcomers may take the
  // last two hedges of the budget.
  bool take(For who, SteadyTime now);
  // Puts the hedge that was taken last back into the budget, because the hedge wasn't sent.
  void give_back();

 private:
  static constexpr std::int64_t kParts = 50;         // The parts that a hedge costs.
  static constexpr std::int64_t kFree = 5 * kParts;  // Time adds parts only up to here.
  static constexpr std::int64_t kMostSaved = 25 * kParts;

  void refill(SteadyTime now);

  std::vector<std::chrono::milliseconds> times_;  // How long the last 100 first bytes took; a ring.
  std::size_t oldest_ = 0;                        // The index of the oldest time in a full ring.
  std::int64_t parts_ = kFree;                    // The budget.
  SteadyTime refilled_at_{};
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_HEDGE_H_
