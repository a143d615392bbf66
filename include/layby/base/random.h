// SPDX-License-Identifier: Apache-2.0
//
// Random numbers that spread work over time, such as the wait before a retry. The numbers are too
// weak for secrets. Each thread has a generator of its own.

#ifndef LAYBY_BASE_RANDOM_H_
#define LAYBY_BASE_RANDOM_H_

#include <cstdint>

namespace layby {

// A random number of at least 0 and below 1.
double random_share();

// Makes the numbers of this thread repeatable. Without this call the numbers differ in each run.
void seed_random(std::uint32_t seed);

}  // namespace layby

#endif  // LAYBY_BASE_RANDOM_H_
