// SPDX-License-Identifier: Apache-2.0
//
// The bounds of docs/promises.md, in one place. A wait is fair if the upstream, the link and the
// box had no trouble during the wait and for some time before. No other client can make a fair wait
// longer, except by its fair share of the link.

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

// The longest wait for an answer, good or bad, about a manifest or about the size of a blob. There
// may be four attempts of 30 s at a parent and four at the registry, each after at most 30 s of
// waiting for a turn.
inline constexpr milliseconds kAnswered = minutes(10);
// The longest wait for the whole blob, or for an error.
inline constexpr milliseconds kBlobOver = minutes(30);

inline constexpr milliseconds kFairManifest = seconds(2);
// A child waits so long for a parent whose requests of the minute are used up.
inline constexpr milliseconds kBusyParent = seconds(5);
inline constexpr milliseconds kStored = milliseconds(100);

// The limits that the simulated site sets.
inline constexpr std::size_t kTransfers = 4;   // Blobs at a time from one registry.
inline constexpr std::size_t kMostFills = 64;  // Of a box.
// The GETs of a blob that one box may send within kAttemptsWindow, for each time that somebody asks
// for the blob: four attempts for each 16th of the blob, see policy/retry.h.
inline constexpr std::size_t kMostGetsOfABlob = 4 * 17;
// The parts of a blob that one fill may ask for at the same time: the fill's own connections, and
// the segments for readers, see src/cache/fill_segments.cpp. And the GETs of parts within
// kAttemptsWindow: each of the most parts of the largest blob twice, and the attempts above.
inline constexpr std::size_t kMostPartsUnderWay = 4 + 8;
inline constexpr std::size_t kMostPartGets = 560;
inline constexpr milliseconds kAttemptsWindow = minutes(10);
// When no more bytes of an interrupted blob are missing, no client gets a byte before the digest
// matches.
inline constexpr std::size_t kSoonThere = 4'000;
inline constexpr milliseconds kLongestQuiet = minutes(10);
inline constexpr milliseconds kFreshFor = minutes(1);
// The longest time that an answer about a tag is under way, with the tag check.
inline constexpr milliseconds kCheckTime = seconds(40);
// The breaker and the retries may need this time to notice that a trouble is over.
inline constexpr milliseconds kRecovery = minutes(3);
// After an origin hung on only some blobs, a newcomer gets a hedge within this time.
inline constexpr milliseconds kHedged = seconds(12);

// The longest fair wait for a blob of `bytes` bytes, when `addresses` addresses share a link. The
// link carries `bytes_per_second` of the simulation's bytes. Each address may have a blob before
// this blob, and the transfers share the link.
constexpr milliseconds fair_blob(std::size_t bytes, std::size_t addresses,
                                 double bytes_per_second) {
  const auto before = static_cast<double>(addresses * kLargestBlob);
  const auto own = static_cast<double>(kTransfers * bytes);
  return seconds(5) +
         milliseconds(static_cast<std::int64_t>((before + own) / bytes_per_second * 1000));
}

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_BOUNDS_H_
