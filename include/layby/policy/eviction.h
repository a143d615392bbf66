// SPDX-License-Identifier: Apache-2.0
//
// What leaves the cache when room is needed, and how much. Each object has a rank that
// is computed when it is used and then stays, so the store can keep its objects in an
// ordered table and take the lowest without looking at the others. This is Greedy-Dual
// in fixed point (Cao and Irani, 1997; Arlitt and others, 1999): the cache's clock
// stands at the rank of what was evicted last, a use lifts an object above it, and what
// isn't used any more is overtaken. docs/eviction.md has the simulation that chose the
// figures. Pure: values in, values out.

#ifndef LAYBY_POLICY_EVICTION_H_
#define LAYBY_POLICY_EVICTION_H_

#include <cstdint>

#include "layby/policy/admission.h"

namespace layby::policy {

// The rank of an object that has been used `hits` times (1 or more, the storing counted
// as the first) when the cache's clock stands at `clock`. The lowest goes first.
std::uint64_t rank(std::uint64_t clock, std::uint32_t hits, std::uint64_t size_bytes);

// The clock after an object of rank `victim_rank` was evicted. It never goes back. Ranks mean
// something only beside the clock that they were made at, so it is stored with them.
std::uint64_t clock_after(std::uint64_t clock, std::uint64_t victim_rank);

// How many bytes must go so that `new_bytes` more keep both rules: 0 when there is room,
// else a little more than is missing, so that eviction comes in steps and not for each
// blob. More than `use.cached_bytes` when evicting everything would not do; then nothing
// should go.
std::uint64_t bytes_to_evict(const SpaceRules& rules, const SpaceUse& use, std::uint64_t new_bytes);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_EVICTION_H_
