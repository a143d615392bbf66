// SPDX-License-Identifier: Apache-2.0
//
// Reads the machine's clock, and gets the time zone from the C library.

#include "layby/base/clock.h"

#include <ctime>

namespace layby {

WallTime SystemClock::wall_now() const {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return WallTime(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

std::chrono::seconds local_time_of_day(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm local{};
  localtime_r(&seconds, &local);
  return std::chrono::hours(local.tm_hour) + std::chrono::minutes(local.tm_min) +
         std::chrono::seconds(local.tm_sec);
}

}  // namespace layby
