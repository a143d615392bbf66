// SPDX-License-Identifier: Apache-2.0
//
// The fixed times of the guard.

#ifndef LAYBY_CACHE_GUARD_TIMES_H_
#define LAYBY_CACHE_GUARD_TIMES_H_

#include <chrono>

namespace layby::cache {

// The Retry-After of an error while the link is down or doubtful. After a parent has declined,
// background work waits for the same time.
inline constexpr std::chrono::seconds kAskAgain{5};

// The longest that a request waits for its turn within the limit of the minute.
inline constexpr std::chrono::seconds kLongestTurn{30};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_GUARD_TIMES_H_
