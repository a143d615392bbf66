// SPDX-License-Identifier: Apache-2.0
//
// Decides when a transfer is too slow to keep its connection. A server that sends a byte from time
// to time never stalls, and would hold its transfer for ever. Time in which we ourselves don't take
// bytes doesn't count. The clock is an argument.
//
// Invariant: the time of a window never passes while the floor is stopped.

#ifndef LAYBY_POLICY_RATE_FLOOR_H_
#define LAYBY_POLICY_RATE_FLOOR_H_

#include <chrono>
#include <cstdint>
#include <optional>

#include "layby/base/clock.h"

namespace layby::policy {

// 8 KiB a minute is less than each of 32 transfers gets that share a link of 50 kbit/s.
struct RateFloorRules {
  std::uint64_t min_bytes = 8 << 10;  // 0 for no floor.
  std::chrono::milliseconds window{60'000};

  bool operator==(const RateFloorRules&) const = default;
};

class RateFloor {
 public:
  // The first window begins at `now`.
  RateFloor(const RateFloorRules& rules, SteadyTime now) : rules_(rules), running_since_(now) {}

  // We take no bytes until go_on(). Both are idempotent.
  void stop(SteadyTime now);
  void go_on(SteadyTime now);

  void count(std::uint64_t bytes) { bytes_ += bytes; }
  std::uint64_t counted_bytes() const { return bytes_; }

  // The time that is left of the window; zero or less at its end. To be called only while the floor
  // isn't stopped.
  std::chrono::nanoseconds left(SteadyTime now) const;
  // Whether too few bytes came in the window that has ended. If not, the next window begins.
  bool fails(SteadyTime now);

 private:
  std::chrono::nanoseconds passed(SteadyTime now) const;

  RateFloorRules rules_;
  std::uint64_t bytes_ = 0;                  // In this window.
  std::chrono::nanoseconds before_stop_{0};  // Of this window.
  std::optional<SteadyTime> running_since_;  // nullopt while stopped.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_RATE_FLOOR_H_
