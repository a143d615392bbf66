// SPDX-License-Identifier: Apache-2.0
//
// The bounds of docs/promises.md, in one place. A fair wait is one without trouble: the upstream,
// the link and the box did well since the request, and some time before. No other client can make a
// fair wait longer, except by its fair share of the link.

#ifndef LAYBY_TESTS_SIMULATION_BOUNDS_H_
#define LAYBY_TESTS_SIMULATION_BOUNDS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "simulation/content.h"

namespace layby::simulation {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// An answer, good or bad, to a request for a manifest or for the size of a blob. Four attempts of
// 30 s, each after at most 30 s in the queue of the minute, at a parent and at the registry.
inline constexpr milliseconds kAnswered = minutes(10);
// The whole blob, or an error.
inline constexpr milliseconds kBlobOver = minutes(30);

inline constexpr milliseconds kFairManifest = seconds(2);
inline constexpr milliseconds kStored = milliseconds(100);

// The limits that the simulated site sets.
inline constexpr std::size_t kTransfers = 4;   // Blobs at a time from one registry.
inline constexpr std::size_t kMostFills = 64;  // Of a box.
// Within kAttemptsWindow, from one box, for each time that somebody asks for the blob: four
// attempts for each 16th of a blob, see policy/retry.h.
inline constexpr std::size_t kMostGetsOfABlob = 4 * 17;
inline constexpr milliseconds kAttemptsWindow = minutes(10);
inline constexpr milliseconds kLongestQuiet = minutes(10);
inline constexpr milliseconds kFreshFor = minutes(1);
// The time on the way of an answer about a tag, with its check.
inline constexpr milliseconds kCheckTime = seconds(40);
// After a trouble, the breaker and the retries need this long to find out.
inline constexpr milliseconds kRecovery = minutes(3);
// After an origin has hung on some blobs alone, a newcomer gets a second request by then.
inline constexpr milliseconds kHedged = seconds(12);

// A blob of `bytes`, when `addresses` share a link of `bytes_per_second` (of the simulation's
// bytes): each address may have a blob before this blob, and the transfers share the link.
constexpr milliseconds fair_blob(std::size_t bytes, std::size_t addresses,
                                 double bytes_per_second) {
  const auto before = static_cast<double>(addresses * kLargestBlob);
  const auto own = static_cast<double>(kTransfers * bytes);
  return seconds(5) +
         milliseconds(static_cast<std::int64_t>((before + own) / bytes_per_second * 1000));
}

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_BOUNDS_H_
