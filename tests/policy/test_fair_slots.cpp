// SPDX-License-Identifier: Apache-2.0
//
// Tests which transfer gets a slot, which transfer loses its slot, and which transfers may wait.

#include "layby/policy/fair_slots.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace layby::policy {
namespace {

IpAddress client(int number) { return *parse_ip_address("10.0.0." + std::to_string(number)); }

const IpAddress kAnna = client(1);
const IpAddress kBen = client(2);
const IpAddress kCleo = client(3);

using Transfers = std::vector<SlotClients>;

SlotUse use_of(Transfers in_use, Transfers waiting) {
  return {32, std::move(in_use), std::move(waiting), {}};
}

TEST(NextForSlot, IsNobodyWhenNobodyWaits) { EXPECT_EQ(next_for_slot({}), std::nullopt); }

TEST(NextForSlot, IsTheFirstOfOneClient) {
  EXPECT_EQ(next_for_slot(use_of({{kAnna}}, {{kAnna}, {kAnna}})), 0u);
}

TEST(NextForSlot, IsTheClientWithFewestSlots) {
  EXPECT_EQ(next_for_slot(use_of({{kAnna}, {kAnna}, {kBen}}, {{kAnna}, {kAnna}, {kBen}})), 2u);
}

TEST(NextForSlot, IsTheClientWhoseTurnIsLongestAgo) {
  SlotUse use = use_of({}, {{kAnna}, {kBen}});
  use.turns = {{kAnna, 7}, {kBen, 6}};
  EXPECT_EQ(next_for_slot(use), 1u);
}

TEST(NextForSlot, IsTheTransferOfItsBestPlacedClient) {
  EXPECT_EQ(next_for_slot(use_of({{kAnna}}, {{kAnna}, {kAnna, kBen}})), 1u);
}

TEST(NextForSlot, IsTheBackgroundLast) {
  EXPECT_EQ(next_for_slot(use_of({{kAnna}, {kAnna}}, {{}, {kAnna}})), 1u);
  EXPECT_EQ(next_for_slot(use_of({}, {{}})), 0u);
}

TEST(NextForSlot, IsNoClientWithItsMostSlots) {
  const Transfers four(4, SlotClients{kAnna});
  EXPECT_EQ(next_for_slot(use_of(four, {{kAnna}})), 0u) << "Anna is alone";
  Transfers and_ben = four;
  and_ben.push_back({kBen});
  EXPECT_EQ(next_for_slot(use_of(and_ben, {{kAnna}})), std::nullopt);
  EXPECT_EQ(next_for_slot(use_of(and_ben, {{kAnna}, {kBen}})), 1u);
}

TEST(SlotToTake, IsTheYoungestOfTheClientWithMost) {
  EXPECT_EQ(slot_to_take(use_of({{kAnna}, {kBen}, {kBen}, {kBen}, {kAnna}}, {}), {kCleo}), 3u);
}

TEST(SlotToTake, IsNoneWhenTakingWouldOnlySwapThem) {
  EXPECT_EQ(slot_to_take(use_of({{kAnna}, {kBen}}, {}), {kCleo}), std::nullopt);
  EXPECT_EQ(slot_to_take(use_of({{kAnna}, {kAnna}, {kBen}}, {}), {kBen}), std::nullopt);
}

TEST(SlotToTake, IsOneOfTheBackgroundFirst) {
  EXPECT_EQ(slot_to_take(use_of({{kAnna}, {}, {kAnna}, {kAnna}}, {}), {kCleo}), 1u);
}

TEST(SlotToTake, IsNoneForTheBackground) {
  EXPECT_EQ(slot_to_take(use_of({{kAnna}, {kAnna}, {}}, {}), {}), std::nullopt);
}

TEST(SlotToTake, SparesATransferThatAClientWithFewShares) {
  EXPECT_EQ(slot_to_take(use_of({{kAnna}, {kAnna}, {kAnna, kBen}}, {}), {kCleo}), 1u);
}

TEST(SlotToTake, DoesNotSpareTwoClientsThatShareEverything) {
  EXPECT_EQ(slot_to_take(use_of({{kAnna, kBen}, {kAnna, kBen}}, {}), {kCleo}), 1u);
}

TEST(SlotToGiveUp, IsTheYoungestOfAClientWithTooManyWhenAnotherComes) {
  const Transfers five(5, SlotClients{kAnna});
  EXPECT_EQ(slot_to_give_up(use_of(five, {})), std::nullopt) << "Anna is alone";
  EXPECT_EQ(slot_to_give_up(use_of(five, {{kBen}})), 4u);
  EXPECT_EQ(slot_to_give_up(use_of(Transfers(4, SlotClients{kAnna}), {{kBen}})), std::nullopt);
}

TEST(SlotToGiveUp, IsNoneOfTheBackground) {
  Transfers used(5, SlotClients{kAnna});
  used.push_back({});
  EXPECT_EQ(slot_to_give_up(use_of(used, {{kBen}})), 4u);
}

TEST(SlotToGiveUp, LeavesAClientTwoSlots) {
  SlotUse use = use_of({{kAnna}, {kAnna}}, {{kBen}});
  use.limit = 2;
  EXPECT_EQ(slot_to_give_up(use), std::nullopt);
}

TEST(JoinLine, IsRefusedWhenTheClientHasTooManyWaiting) {
  EXPECT_TRUE(may_join_line({kMostWaitingOfClient - 1, kMostWaitingOfClient}));
  EXPECT_FALSE(may_join_line({kMostWaitingOfClient, kMostWaitingOfClient}));
}

TEST(JoinLine, HasAPlaceForAClientWithoutAnyWhenItIsFull) {
  EXPECT_FALSE(may_join_line({1, kMostWaiting}));
  EXPECT_TRUE(may_join_line({0, kMostWaiting}));
}

}  // namespace
}  // namespace layby::policy
