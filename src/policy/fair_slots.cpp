// SPDX-License-Identifier: Apache-2.0
//
// Each transfer has a rank: the best rank of its clients. So a transfer never waits longer because
// another client joins.

#include "layby/policy/fair_slots.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

namespace layby::policy {
namespace {

constexpr std::size_t kPartOfClient = 8;
constexpr std::size_t kLeastMost = 2;

constexpr std::size_t kBackground = std::numeric_limits<std::size_t>::max();

// A client's rank is the number of slots that the client uses, then the number of its last turn.
// The transfer with the smallest rank is served first.
using Rank = std::pair<std::size_t, std::uint64_t>;
using Counts = std::map<IpAddress, std::size_t>;

Counts count_slots(const SlotUse& use) {
  Counts counts;
  for (const SlotClients& clients : use.in_use) {
    for (const IpAddress& client : clients) ++counts[client];
  }
  return counts;
}

template <typename Map>
typename Map::mapped_type value_or_zero(const Map& map, const IpAddress& client) {
  const auto at = map.find(client);
  return at == map.end() ? 0 : at->second;
}

Rank rank_of(const SlotClients& clients, const Counts& counts, const SlotUse& use) {
  Rank best{kBackground, 0};
  for (const IpAddress& client : clients) {
    best = std::min(best, {value_or_zero(counts, client), value_or_zero(use.turns, client)});
  }
  return best;
}

// Returns the slot of the client with the most slots, if the client has more than `above` slots.
// Among several such slots, returns the slot that was granted last, because its transfer probably
// has the fewest bytes.
std::optional<std::size_t> youngest_of_largest(const SlotUse& use, const Counts& counts,
                                               std::size_t above, bool or_background) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < use.in_use.size(); ++i) {
    if (use.in_use[i].empty() && !or_background) continue;
    const std::size_t slots = rank_of(use.in_use[i], counts, use).first;
    if (slots <= above && (!found || slots < above)) continue;
    found = i;
    above = slots;
  }
  return found;
}

}  // namespace

std::size_t most_slots_of_client(const SlotUse& use) {
  std::set<IpAddress> clients;
  for (const auto* transfers : {&use.in_use, &use.waiting}) {
    for (const SlotClients& of_one : *transfers) clients.insert(of_one.begin(), of_one.end());
  }
  return clients.size() < 2 ? use.limit : std::max(use.limit / kPartOfClient, kLeastMost);
}

std::optional<std::size_t> next_for_slot(const SlotUse& use) {
  const Counts counts = count_slots(use);
  const std::size_t most = most_slots_of_client(use);
  std::optional<std::size_t> next;
  Rank best;
  for (std::size_t i = 0; i < use.waiting.size(); ++i) {
    const Rank rank = rank_of(use.waiting[i], counts, use);
    if (rank.first != kBackground && rank.first >= most) continue;
    if (next && best <= rank) continue;
    next = i;
    best = rank;
  }
  return next;
}

std::optional<std::size_t> slot_to_take(const SlotUse& use, const SlotClients& next) {
  if (next.empty()) return std::nullopt;
  const Counts counts = count_slots(use);
  return youngest_of_largest(use, counts, rank_of(next, counts, use).first + 1, true);
}

std::optional<std::size_t> slot_to_give_up(const SlotUse& use) {
  return youngest_of_largest(use, count_slots(use), most_slots_of_client(use), false);
}

bool may_join_line(const LineUse& use) {
  if (use.mine >= kMostWaitingOfClient) return false;
  return use.all < kMostWaiting || use.mine == 0;
}

}  // namespace layby::policy
