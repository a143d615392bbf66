// SPDX-License-Identifier: Apache-2.0
//
// The compared eviction policies and their names.

#ifndef LAYBY_TESTS_SIMULATOR_CONTESTANTS_H_
#define LAYBY_TESTS_SIMULATOR_CONTESTANTS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "simulator/simulation.h"

namespace layby::simulator {

struct Contestant {
  std::string name;
  std::function<std::unique_ptr<Policy>(const Trace&, std::uint64_t capacity_bytes)> make;
  Uses uses = Uses::kGetsAndManifests;

  Result run(const Trace& trace, std::uint64_t capacity_bytes) const {
    return simulate(trace, capacity_bytes, *make(trace, capacity_bytes), uses);
  }
};

// The published policies, then production's policy, then the policy that knows the future.
std::vector<Contestant> contestants();
// Variants of production's policy. Each variant changes one choice, to show the choice's value.
std::vector<Contestant> variants();

}  // namespace layby::simulator

#endif  // LAYBY_TESTS_SIMULATOR_CONTESTANTS_H_
