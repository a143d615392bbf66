// SPDX-License-Identifier: Apache-2.0
//
// The faults of Layby that the simulation allows. A known fault switches off the promise that it
// breaks. The list is empty when Layby keeps every promise here. `scripts/simulate --strict`
// ignores the list.

#ifndef LAYBY_TESTS_SIMULATION_KNOWN_FAULTS_H_
#define LAYBY_TESTS_SIMULATION_KNOWN_FAULTS_H_

#include <algorithm>
#include <array>

namespace layby::simulation {

enum class Fault {
  kPoisonedPartial,  // Wrong bytes of an interrupted fill make the next fill of the blob fail.
};

inline constexpr std::array kKnownFaults{Fault::kPoisonedPartial};

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
