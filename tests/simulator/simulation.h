// SPDX-License-Identifier: Apache-2.0
//
// A cache of some bytes under a trace: what a policy makes of it, and what no policy can
// exceed.

#ifndef LAYBY_TESTS_SIMULATOR_SIMULATION_H_
#define LAYBY_TESTS_SIMULATOR_SIMULATION_H_

#include "simulator/policy.h"
#include "simulator/trace.h"

namespace layby::simulator {

// Which requests a policy hears of as a use.
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

// What no cache of this size exceeds, even one that knows the future. The optimum for
// objects of different sizes is NP-hard, so this is the relaxation of Berger, Beckmann
// and Harchol-Balter, "Practical Bounds on Optimal Caching with Variable Object Sizes"
// (2018), PFOO-L: each hit costs the object's bytes times the requests for which they
// stay; capacity need only hold on average over the trace, and the cheapest hits are
// taken. The two ratios are bounds of their own, which one cache need not reach at once.
Bound upper_bound(const Trace& trace, std::uint64_t capacity_bytes);

}  // namespace layby::simulator

#endif  // LAYBY_TESTS_SIMULATOR_SIMULATION_H_
