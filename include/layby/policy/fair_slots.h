// SPDX-License-Identifier: Apache-2.0
//
// Shares the slots of an upstream fairly among clients. Clients are known by their counted
// addresses. A transfer that several clients wait for counts for each of them. A transfer that
// no client waits for is in the background: it gets a slot that nobody else wants, and gives the
// slot up for anybody. The functions are pure.

#ifndef LAYBY_POLICY_FAIR_SLOTS_H_
#define LAYBY_POLICY_FAIR_SLOTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "layby/base/ip_address.h"

namespace layby::policy {

// The addresses that wait for one transfer, each once; empty in the background.
using SlotClients = std::vector<IpAddress>;

struct SlotUse {
  std::size_t limit = 1;                     // The number of slots.
  std::vector<SlotClients> in_use;           // One for each slot in use, oldest grant first.
  std::vector<SlotClients> waiting;          // In the order of asking.
  std::map<IpAddress, std::uint64_t> turns;  // The number of each address's last grant.
};

// The most slots of one client: all while it is the only client, else an 8th, but at least 2.
// Transfers share the link, so a client with many slots would leave little of it to the others.
std::size_t most_slots_of_client(const SlotUse& use);

// The waiting transfer that gets the next slot. Clients with fewer slots in use come first, and
// among these the client whose last turn is the longest ago. nullopt when nobody waits, or each
// waiting client has its most slots.
std::optional<std::size_t> next_for_slot(const SlotUse& use);

// The slot in use that should be taken for `next`, which waits, when no slot is free. nullopt
// when each slot belongs to a client with at most one slot more than a client of `next` has. So
// no slot goes to and fro.
std::optional<std::size_t> slot_to_take(const SlotUse& use, const SlotClients& next);
// A slot in use that should be taken from a client with more slots than it may have now.
std::optional<std::size_t> slot_to_give_up(const SlotUse& use);

// The transfers whose first byte has not come.
struct LineUse {
  std::size_t mine = 0;  // Of the client that asks for one more.
  std::size_t all = 0;   // Of all clients together.
};

// More waiting transfers than a machine needs that pulls many images at once.
inline constexpr std::size_t kMostWaitingOfClient = 64;
inline constexpr std::size_t kMostWaiting = 1024;

// Whether one more transfer may wait. A full line still has a place for each client that has none.
bool may_join_line(const LineUse& use);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_FAIR_SLOTS_H_
