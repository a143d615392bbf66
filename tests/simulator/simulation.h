// SPDX-License-Identifier: Apache-2.0
//
// Runs a trace against a cache of a given size: the result of a policy, and an upper bound
// for any policy.

#ifndef LAYBY_TESTS_SIMULATOR_SIMULATION_H_
#define LAYBY_TESTS_SIMULATOR_SIMULATION_H_

#include "simulator/policy.h"
#include "simulator/trace.h"

namespace layby::simulator {

// Which requests count as a use for a policy.
enum class Uses {
  kGets,              // A GET of the object.
  kGetsAndManifests,  // Also a GET of a manifest that names the object.
};

struct Result {
  std::uint64_t gets = 0;
  std::uint64_t hits = 0;
  std::uint64_t asked_bytes = 0;
  std::uint64_t hit_bytes = 0;
  std::uint64_t evictions = 0;
  std::uint64_t most_cached_bytes = 0;

  double object_hit_ratio() const;
  double byte_hit_ratio() const;
  bool operator==(const Result&) const = default;
};

Result simulate(const Trace& trace, std::uint64_t capacity_bytes, Policy& policy,
                Uses uses = Uses::kGetsAndManifests);

struct Bound {
  double object_hit_ratio = 0;
  double byte_hit_ratio = 0;
};

// Hit ratios that no cache of this size exceeds, even if it knows the future. The optimum for
// objects of different sizes is NP-hard, so this is the relaxation of Berger, Beckmann
// and Harchol-Balter, "Practical Bounds on Optimal Caching with Variable Object Sizes"
// (2018), PFOO-L: each hit costs the object's bytes times the number of requests during which
// the object stays. The capacity limits only the average over the trace, and the cheapest hits
// are taken. Each ratio has its own bound, and perhaps no cache reaches both bounds.
Bound upper_bound(const Trace& trace, std::uint64_t capacity_bytes);

}  // namespace layby::simulator

#endif  // LAYBY_TESTS_SIMULATOR_SIMULATION_H_
