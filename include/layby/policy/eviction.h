// SPDX-License-Identifier: Apache-2.0
//
// Which objects leave the cache when room is needed, and how many bytes. The rank of an
// object is computed at each use and stays the same between uses, so the store can keep
// its objects in an ordered table and evict the lowest without looking at the others.
// This is Greedy-Dual in fixed point (Cao and Irani, 1997; Arlitt and others, 1999): the
// cache's clock stands at the highest rank evicted so far, and a use lifts an object
// above the clock. Objects that nobody uses are overtaken. docs/eviction.md has the
// simulation that chose the figures. Pure: values in, values out.

#ifndef LAYBY_POLICY_EVICTION_H_
#define LAYBY_POLICY_EVICTION_H_

#include <cstdint>

#include "layby/policy/admission.h"

namespace layby::policy {

// The rank of an object that has been used `hits` times when the cache's clock stands at
// `clock`. Storing the object counts as its first use. The lowest rank goes first.
std::uint64_t rank(std::uint64_t clock, std::uint32_t hits, std::uint64_t size_bytes);

// The clock after an object of rank `victim_rank` was evicted. The clock never goes back.
// Ranks mean something only together with their clock, so the store keeps the clock too.
std::uint64_t clock_after(std::uint64_t clock, std::uint64_t victim_rank);

// How many bytes must go so that both rules hold after `new_bytes` more. 0 when there is
// room, else a little more than the missing bytes, so that eviction comes in steps and not
// for each blob. Above `use.cached_bytes` when evicting everything would not suffice; then
// nothing should be evicted.
std::uint64_t bytes_to_evict(const SpaceRules& rules, const SpaceUse& use, std::uint64_t new_bytes);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_EVICTION_H_
