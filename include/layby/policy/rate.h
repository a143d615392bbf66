// SPDX-License-Identifier: Apache-2.0
//
// A token bucket for bytes. It limits a rate and saves up a little for bursts. A piece
// may go whenever wait() is 0, even if the piece overdraws the bucket; the next piece
// then waits for the debt, so pieces are never split. In any stretch of time at most the
// rate's worth, plus kSaved's worth, plus one piece goes through.

#ifndef LAYBY_POLICY_RATE_H_
#define LAYBY_POLICY_RATE_H_

#include <chrono>
#include <cstdint>

#include "layby/base/clock.h"

namespace layby::policy {

class RateBucket {
 public:
  // Enough to make up for late timers, too little to be felt as a burst.
  static constexpr std::chrono::milliseconds kSaved{100};

  // Nothing is saved up at `now`. `bytes_per_second` is above 0.
  RateBucket(std::uint64_t bytes_per_second, SteadyTime now);

  // Sets another rate from `now` on, above 0. A debt is paid off at the new rate; savings
  // are lost.
  void set_rate(std::uint64_t bytes_per_second, SteadyTime now);
  // Takes `bytes` out of the bucket, even beyond its content.
  void spend(std::uint64_t bytes, SteadyTime now);
  // The time until the next piece may go; 0 when it may go now.
  std::chrono::nanoseconds wait(SteadyTime now) const;

 private:
  std::uint64_t bytes_per_second_;
  SteadyTime free_at_;  // When all spent bytes are paid for; the past when some are saved up.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_RATE_H_
