// SPDX-License-Identifier: Apache-2.0
//
// Decides when a transfer is too slow to keep its connection. A server that sends a byte from time
// to time never stalls, and would hold its transfer for ever. The time in which Layby itself takes
// no bytes doesn't count. The clock is an argument.
//
// Invariant: the time of a window never passes while the floor is stopped.

#ifndef LAYBY_POLICY_RATE_FLOOR_H_
#define LAYBY_POLICY_RATE_FLOOR_H_

#include <chrono>
#include <cstdint>
#include <optional>

#include "layby/base/clock.h"

namespace layby::policy {

// When 32 transfers share a link of 50 kbit/s, each transfer gets more than 8 KiB a minute.
struct RateFloorRules {
  std::uint64_t min_bytes = 8 << 10;  // 0 for no floor.
  std::chrono::milliseconds window{60'000};

  bool operator==(const RateFloorRules&) const = default;
};

class RateFloor {
 public:
  // The first window begins at `now`.
  RateFloor(const RateFloorRules& rules, SteadyTime now) : rules_(rules), running_since_(now) {}

  // Between stop() and go_on(), the caller takes no bytes. Both calls are idempotent.
  void stop(SteadyTime now);
  void go_on(SteadyTime now);

  void count(std::uint64_t bytes) { bytes_ += bytes; }
  std::uint64_t counted_bytes() const { return bytes_; }

  // The time until the window ends; zero or less when the window has ended. Call left() and fails()
  // only while the floor isn't stopped.
  std::chrono::nanoseconds left(SteadyTime now) const;
  // Whether the window has ended with too few bytes. If the window has ended with enough bytes, the
  // next window begins.
  bool fails(SteadyTime now);

 private:
  std::chrono::nanoseconds passed(SteadyTime now) const;

  RateFloorRules rules_;
  std::uint64_t bytes_ = 0;                  // The bytes of this window.
  std::chrono::nanoseconds before_stop_{0};  // The time of this window before stop().
  std::optional<SteadyTime> running_since_;  // nullopt while stopped.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_RATE_FLOOR_H_
