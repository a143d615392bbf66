// SPDX-License-Identifier: Apache-2.0
//
// The faults that the simulation still allows. A known fault switches off the trouble that shows
// it, or the promise that it breaks. Either Layby has the fault, or the part of Layby that prevents
// it lives below the simulated registry: the fair slots and the floor of the rate. The list is
// empty when Layby keeps every promise here. `scripts/simulate --strict` ignores the list.

#ifndef LAYBY_TESTS_SIMULATION_KNOWN_FAULTS_H_
#define LAYBY_TESTS_SIMULATION_KNOWN_FAULTS_H_

#include <algorithm>
#include <array>

namespace layby::simulation {

enum class Fault {
  kReaderlessFills,  // Fills whose clients left go on, and take slots from those who wait.
  kEndlessFills,     // One client makes any number of fills, and each holds a file.
  kEndlessRetry,     // An origin that cuts after each byte is asked again for ever.
  kEndlessDrip,      // An origin that drips a byte a second holds a slot for ever.
  kLoudUnknowns,     // Random digests of one client use up the minute of all.
  kTroubleSpreads,   // A 429 of the CDN or the token server quiets the registry.
  kLongQuiet,        // A Retry-After of hours stops every request, without a probe.
  kParentHidesAge,   // A parent's stale answer counts as a fresh confirmation.
  kHungBlob,         // An origin that hung on a blob blocks the blob's next clients.
  kQueuedMinute,     // A blob counts in the minute when it is queued, and not when it is sent.
  kPoisonedPartial,  // Wrong bytes of an interrupted fill make the next fill of the blob fail.
  kSlowReaders,      // Slow readers of what isn't stored hold all slots.
};

inline constexpr std::array kKnownFaults{
    Fault::kReaderlessFills, Fault::kEndlessFills,    Fault::kEndlessRetry,
    Fault::kEndlessDrip,     Fault::kLoudUnknowns,    Fault::kHungBlob,
    Fault::kQueuedMinute,    Fault::kPoisonedPartial, Fault::kSlowReaders,
};

// Which faults a run expects.
struct Expected {
  bool strict = false;
  bool operator()(Fault fault) const {
    return !strict &&
           std::find(kKnownFaults.begin(), kKnownFaults.end(), fault) != kKnownFaults.end();
  }
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_KNOWN_FAULTS_H_
