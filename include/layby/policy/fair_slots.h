// SPDX-License-Identifier: Apache-2.0
//
// Shares the slots of an upstream fairly among clients. A client is a counted address. If several
// clients wait for a transfer, the transfer counts for each of these clients. If no client waits
// for a transfer, the transfer is in the background: it gets a slot only when no client wants the
// slot, and loses the slot to any client. The functions are pure.

#ifndef LAYBY_POLICY_FAIR_SLOTS_H_
#define LAYBY_POLICY_FAIR_SLOTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "layby/base/ip_address.h"

namespace layby::policy {

// The addresses of the clients that wait for one transfer, each address once; empty for a transfer
// in the background.
using SlotClients = std::vector<IpAddress>;

struct SlotUse {
  std::size_t limit = 1;                     // The number of slots.
  std::vector<SlotClients> in_use;           // One for each slot in use, oldest grant first.
  std::vector<SlotClients> waiting;          // In the order in which they asked.
  std::map<IpAddress, std::uint64_t> turns;  // The serial number of each address's last grant.
};

// The most slots that one client may have: all slots for the only client; an 8th of the slots, but
// at least 2, when there are several clients. Transfers share the link, so a client with many slots
// would leave little of the link to the other clients.
std::size_t most_slots_of_client(const SlotUse& use);

// The index of the waiting transfer that gets the next slot. The client with the fewest slots in
// use comes first. Among clients with equally many slots, the client that has waited longest since
// its last turn comes first. nullopt when no transfer waits, or when each waiting client has as
// many slots as it may have.
std::optional<std::size_t> next_for_slot(const SlotUse& use);

// Finds a slot for the waiting transfer `next` when no slot is free. Returns the index of the slot
// in use that should be taken; nullopt when no slot should be taken. The transfer that loses its
// slot is in the background, or its client has at least two slots more than a client of `next`. So
// no slot goes back and forth between two clients.
std::optional<std::size_t> slot_to_take(const SlotUse& use, const SlotClients& next);
// The index of a slot in use that should be taken, because its client has more slots than it may
// have; nullopt when there is no such client.
std::optional<std::size_t> slot_to_give_up(const SlotUse& use);

// How many transfers wait for their first byte.
struct LineUse {
  std::size_t mine = 0;  // The waiting transfers of the client that asks for one more.
  std::size_t all = 0;   // The waiting transfers of all clients.
};

// A machine that pulls many images at once has far fewer waiting transfers than these bounds allow.
inline constexpr std::size_t kMostWaitingOfClient = 64;
inline constexpr std::size_t kMostWaiting = 1024;

// Whether one more transfer may wait. Even when kMostWaiting transfers wait, a client without a
// waiting transfer may add one.
bool may_join_line(const LineUse& use);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_FAIR_SLOTS_H_
