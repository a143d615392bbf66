// SPDX-License-Identifier: Apache-2.0
//
// A token bucket for bytes: how fast something may go, with a little saved up for when
// it was slower. Who may go at all may overdraw it by one piece and waits that off
// later, so pieces are never split. What goes in any stretch of time is at most what the
// rate allows in it, plus kSaved's worth, plus one piece.

#ifndef LAYBY_POLICY_RATE_H_
#define LAYBY_POLICY_RATE_H_

#include <chrono>
#include <cstdint>

#include "layby/base/clock.h"

namespace layby::policy {

class RateBucket {
 public:
  // Makes up for timers that come late, and isn't felt as a burst.
  static constexpr std::chrono::milliseconds kSaved{100};

  // Nothing is saved up at `now`. `bytes_per_second` is above 0.
  RateBucket(std::uint64_t bytes_per_second, SteadyTime now);

  // Another rate from `now` on, above 0. What was overdrawn is waited off at that rate;
  // nothing stays saved up.
  void set_rate(std::uint64_t bytes_per_second, SteadyTime now);
  // Whatever is left; `bytes` fit into memory.
  void spend(std::uint64_t bytes, SteadyTime now);
  // Until the next piece may go; 0 when it may now.
  std::chrono::nanoseconds wait(SteadyTime now) const;

 private:
  std::uint64_t bytes_per_second_;
  SteadyTime free_at_;  // When what was spent is paid for.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_RATE_H_
