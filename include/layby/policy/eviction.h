// SPDX-License-Identifier: Apache-2.0
//
// Decides which objects are evicted when room is needed, and how many bytes must be evicted. The
// rank of an object is computed at each use and stays the same between uses. So the store can order
// its objects by rank, and finds the lowest rank without looking at the other objects. The
// algorithm is Greedy-Dual in fixed point (Cao and Irani, 1997; Arlitt and others, 1999). The
// cache's clock is the highest rank evicted so far, and a use lifts an object above the clock.
// Since the clock rises, objects that stay unused end up with the lowest ranks. docs/eviction.md
// has the simulation that chose the figures. The functions are pure.

#ifndef LAYBY_POLICY_EVICTION_H_
#define LAYBY_POLICY_EVICTION_H_

#include <cstdint>

#include "layby/policy/admission.h"

namespace layby::policy {

// The rank of an object at its use number `hits`, when the cache's clock is `clock`. The first use
// is the storing of the object. The object with the lowest rank is evicted first.
std::uint64_t rank(std::uint64_t clock, std::uint32_t hits, std::uint64_t size_bytes);

// The clock after an object of rank `victim_rank` was evicted. The clock never goes back.
// Ranks mean nothing without their clock, so the store saves the clock with the ranks.
std::uint64_t clock_after(std::uint64_t clock, std::uint64_t victim_rank);

// How many bytes to evict so that both limits of `rules` still hold after `new_bytes` more bytes
// are stored. The result is 0 when there is room. Otherwise the result is a little more than the
// missing bytes, so that not every new blob needs an eviction. A result above `use.cached_bytes`
// means that evicting everything would not suffice; then nothing should be evicted.
std::uint64_t bytes_to_evict(const SpaceRules& rules, const SpaceUse& use, std::uint64_t new_bytes);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_EVICTION_H_
