// SPDX-License-Identifier: Apache-2.0
//
// Time as a value that is passed in, so that tests can turn the clock themselves.
// Steady time measures waits; wall time goes into the index and into headers.

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
  // Exact to a tick of the kernel's, some milliseconds, and cheaper than the exact time.
  WallTime wall_now() const override;
};

// How long after midnight it is, by the clock on the wall of this machine's time zone.
std::chrono::seconds local_time_of_day(WallTime time);

}  // namespace layby

#endif  // LAYBY_BASE_CLOCK_H_
