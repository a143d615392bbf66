// SPDX-License-Identifier: Apache-2.0
//
// Tests when hedges may be sent, and how many.

#include "layby/policy/hedge.h"

#include <gtest/gtest.h>

namespace layby::policy {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

class HedgeTest : public ::testing::Test {
 protected:
  void answer(int times, milliseconds took) {
    for (int i = 0; i < times; ++i) hedge_.on_first_byte(took);
  }
  // Takes hedges until the budget has none.
  int take_all(Hedge::For who = Hedge::For::kNewcomer) {
    int taken = 0;
    while (hedge_.take(who, now_)) ++taken;
    return taken;
  }

  SteadyTime now_{1h};
  Hedge hedge_;
};

TEST_F(HedgeTest, WaitsTwoSecondsForAnUnknownUpstream) { EXPECT_EQ(hedge_.delay(), 2s); }

TEST_F(HedgeTest, WaitsNoLessForAFastUpstream) {
  answer(100, 20ms);
  EXPECT_EQ(hedge_.delay(), 2s);
}

TEST_F(HedgeTest, WaitsTwiceAsLongAsASlowUpstreamUsuallyTakes) {
  answer(100, 1'500ms);
  EXPECT_EQ(hedge_.delay(), 3s);
}

TEST_F(HedgeTest, WaitsNoLongerThanTenSeconds) {
  answer(100, 25s);
  EXPECT_EQ(hedge_.delay(), 10s);
}

TEST_F(HedgeTest, RareLateAnswersAreNotUsual) {
  answer(94, 100ms);
  answer(6, 20s);
  EXPECT_EQ(hedge_.delay(), 10s);
  answer(94, 100ms);
  EXPECT_EQ(hedge_.delay(), 10s) << "six of the last hundred answers were late";
  answer(1, 100ms);
  EXPECT_EQ(hedge_.delay(), 2s);
}

TEST_F(HedgeTest, FewAnswersSayNothing) {
  answer(19, 4s);
  EXPECT_EQ(hedge_.delay(), 2s);
  answer(1, 4s);
  EXPECT_EQ(hedge_.delay(), 8s);
}

TEST_F(HedgeTest, ForgetsHowSlowUpstreamWas) {
  answer(150, 4s);
  answer(99, 50ms);
  EXPECT_EQ(hedge_.delay(), 2s);
}

TEST_F(HedgeTest, HasFiveFreeHedges) { EXPECT_EQ(take_all(), 5); }

TEST_F(HedgeTest, KeepsTheLastTwoForNewcomers) {
  EXPECT_EQ(take_all(Hedge::For::kFirst), 3);
  EXPECT_EQ(take_all(), 2);
}

TEST_F(HedgeTest, EveryFiftiethRequestAddsAHedge) {
  take_all();
  for (int i = 0; i < 49; ++i) hedge_.on_request();
  EXPECT_EQ(take_all(), 0);
  hedge_.on_request();
  EXPECT_EQ(take_all(), 1);
}

TEST_F(HedgeTest, TwoPercentOfManyRequestsAreHedges) {
  int hedges = take_all();
  for (int i = 0; i < 10'000; ++i) {
    hedge_.on_request();
    hedges += take_all();
  }
  EXPECT_EQ(hedges, 5 + 200);
}

TEST_F(HedgeTest, SavesNoMoreThanTwentyFive) {
  for (int i = 0; i < 100'000; ++i) hedge_.on_request();
  EXPECT_EQ(take_all(), 25);
}

TEST_F(HedgeTest, TimeRefillsTheFreeHedges) {
  take_all();
  now_ += 11'900ms;
  EXPECT_EQ(take_all(), 0);
  now_ += 100ms;
  EXPECT_EQ(take_all(), 1);
  now_ += 24h;
  EXPECT_EQ(take_all(), 5);
}

TEST_F(HedgeTest, TimeTakesNothingFromWhatRequestsSaved) {
  for (int i = 0; i < 500; ++i) hedge_.on_request();
  now_ += 24h;
  EXPECT_EQ(take_all(), 15);
}

TEST_F(HedgeTest, AHedgeThatWasNotSentCostsNothing) {
  ASSERT_TRUE(hedge_.take(Hedge::For::kFirst, now_));
  hedge_.give_back();
  EXPECT_EQ(take_all(), 5);
}

}  // namespace
}  // namespace layby::policy
