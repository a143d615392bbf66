// SPDX-License-Identifier: Apache-2.0
//
// A simulated site, made and run from one seed: boxes with or without a parent, machines that pull,
// a hostile client, and an adversary. At the end the adversary rests, and everything must come to
// rest too.

#ifndef LAYBY_TESTS_SIMULATION_SITE_H_
#define LAYBY_TESTS_SIMULATION_SITE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "simulation/invariants.h"

namespace layby::simulation {

struct Outcome {
  std::uint64_t seed = 0;
  std::optional<Violation> violation;
  std::uint64_t trace = 0;  // Equal for two runs of one seed.
  std::uint64_t steps = 0;
  milliseconds simulated{0};
  std::uint64_t pulls = 0;
  std::uint64_t pulled = 0;  // The pulls that succeeded.
  std::uint64_t questions = 0;
  std::uint64_t good = 0;      // The questions with a good answer.
  Worst worst;                 // The longest waits without trouble.
  std::uint64_t poisoned = 0;  // The blobs that failed because of an earlier wrong byte.
};

Outcome run_site(std::uint64_t seed);
// What the site of a seed is made of, and what the adversary does, line by line.
std::string describe_site(std::uint64_t seed);

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_SITE_H_
