// SPDX-License-Identifier: Apache-2.0
//
// A clock is an argument, so that tests can set the time. Steady time measures waits; wall time
// goes into the index and into headers.

#ifndef LAYBY_BASE_CLOCK_H_
#define LAYBY_BASE_CLOCK_H_

#include <chrono>

namespace layby {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime steady_now() const = 0;
  virtual WallTime wall_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  SteadyTime steady_now() const override { return std::chrono::steady_clock::now(); }
  // The time of the kernel's last tick, at most some milliseconds ago. This time is cheaper than
  // the exact time.
  WallTime wall_now() const override;
};

// The time since midnight in this machine's time zone.
std::chrono::seconds local_time_of_day(WallTime time);

}  // namespace layby

#endif  // LAYBY_BASE_CLOCK_H_
