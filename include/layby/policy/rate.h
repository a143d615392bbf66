// SPDX-License-Identifier: Apache-2.0
//
// A token bucket for bytes limits a rate and saves up a little for bursts. A piece may be sent
// whenever wait() is 0, even if the piece overdraws the bucket. The next piece then waits until
// the debt is paid, so no piece is ever split. In any time t, at most rate * (t + kSaved) bytes and
// one more piece are sent.

#ifndef LAYBY_POLICY_RATE_H_
#define LAYBY_POLICY_RATE_H_

#include <chrono>
#include <cstdint>

#include "layby/base/clock.h"

namespace layby::policy {

class RateBucket {
 public:
  // Enough savings to make up for late timers, but too few to be felt as a burst.
  static constexpr std::chrono::milliseconds kSaved{100};

  // A new bucket has no savings at `now`. `bytes_per_second` is above 0.
  RateBucket(std::uint64_t bytes_per_second, SteadyTime now);

  // Changes the rate at `now`. `bytes_per_second` is above 0. A debt in bytes stays, and is paid
  // at the new rate; savings are lost.
  void set_rate(std::uint64_t bytes_per_second, SteadyTime now);
  // Takes `bytes` out of the bucket, even if the bucket has less.
  void spend(std::uint64_t bytes, SteadyTime now);
  // The time until the next piece may be sent; 0 when the piece may be sent now.
  std::chrono::nanoseconds wait(SteadyTime now) const;

 private:
  std::uint64_t bytes_per_second_;
  SteadyTime free_at_;  // When the debt is paid; a time in the past means savings.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_RATE_H_
