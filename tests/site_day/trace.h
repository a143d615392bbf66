// SPDX-License-Identifier: Apache-2.0
//
// The pulls of one working day of a site with 50 machines. 40 of the machines keep the images they
// pulled. The other ten are like build machines: each is emptied before each of its pulls. The same
// seed makes the same day.

#ifndef LAYBY_TESTS_SITE_DAY_TRACE_H_
#define LAYBY_TESTS_SITE_DAY_TRACE_H_

#include <chrono>
#include <cstdint>
#include <vector>

#include "site_day/images.h"

namespace layby::site_day {

inline constexpr std::size_t kMachines = 50;
inline constexpr std::chrono::hours kDay{24};
inline constexpr std::chrono::hours kRebuiltAt{10};

struct TracedPull {
  std::chrono::milliseconds at;  // After midnight.
  std::size_t machine = 0;
  bool emptied = false;  // The machine is emptied before the pull.
  ImageName image;
};

// Sorted by time.
std::vector<TracedPull> make_trace(const Images& images, std::uint64_t seed);

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_TRACE_H_
