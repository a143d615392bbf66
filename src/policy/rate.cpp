// SPDX-License-Identifier: Apache-2.0
//
// The state of the bucket is one point in time, as in the generic cell rate algorithm (ITU-T
// I.371). Each byte moves the point forward by the time that the byte takes at the set rate.
//
// Invariants: the rate is above 0; idle time counts as savings only up to kSaved.

#include "layby/policy/rate.h"

#include <algorithm>
#include <cassert>

namespace layby::policy {

RateBucket::RateBucket(std::uint64_t bytes_per_second, SteadyTime now)
    : bytes_per_second_(bytes_per_second), free_at_(now) {
  assert(bytes_per_second > 0);
}

void RateBucket::set_rate(std::uint64_t bytes_per_second, SteadyTime now) {
  assert(bytes_per_second > 0);
  const std::chrono::duration<double> debt = wait(now);
  const double factor =
      static_cast<double>(bytes_per_second_) / static_cast<double>(bytes_per_second);
  free_at_ = now + std::chrono::ceil<std::chrono::nanoseconds>(debt * factor);
  bytes_per_second_ = bytes_per_second;
}

void RateBucket::spend(std::uint64_t bytes, SteadyTime now) {
  const std::chrono::duration<double> cost(static_cast<double>(bytes) /
                                           static_cast<double>(bytes_per_second_));
  // Rounded up, so that many small pieces aren't free.
  free_at_ = std::max(free_at_, now - kSaved) + std::chrono::ceil<std::chrono::nanoseconds>(cost);
}

std::chrono::nanoseconds RateBucket::wait(SteadyTime now) const {
  return std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(free_at_ - now));
}

}  // namespace layby::policy
