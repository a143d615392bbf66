// SPDX-License-Identifier: Apache-2.0
//
// A blob that comes at rates that the test sets, tick by tick.

#include <gtest/gtest.h>

#include <memory>

#include "layby/policy/split.h"

namespace layby::policy {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class SplitTest : public ::testing::Test {
 protected:
  // Lets one tick pass, in which the blob gets `own` bytes and the other blobs get `others` bytes.
  void tick(std::uint64_t own, std::uint64_t others = 0) {
    now_ += Split::kTick;
    bytes_.own += own;
    bytes_.all += own + others;
    bytes_.left -= own;
    bytes_.connections = split_.connections();
    split_.on_tick(now_, bytes_);
  }
  // Lets `count` ticks pass. Each connection brings `each` bytes in a tick.
  void ticks(int count, std::uint64_t each) {
    for (int i = 0; i < count; ++i) {
      tick(each * static_cast<std::uint64_t>(split_.connections()));
    }
  }
  // Lets `count` ticks pass on a full link.
  void ticks_on_full_link(int count, std::uint64_t all) {
    for (int i = 0; i < count; ++i) tick(all);
  }
  void begin() { split_.on_tick(now_, bytes_); }

  SteadyTime now_{std::chrono::hours(1)};
  SplitBytes bytes_{0, 0, 1000 * kMiB};
  SplitTrials link_;
  Split split_{{}, 4, link_, now_};
};

TEST_F(SplitTest, BeginsWithOneConnection) { EXPECT_EQ(split_.connections(), 1); }

TEST_F(SplitTest, DoublesTheConnectionsWhileTheRateRises) {
  begin();
  ticks(2, kMiB);
  EXPECT_EQ(split_.connections(), 2);
  EXPECT_TRUE(split_.is_trying());
  ticks(4, kMiB);
  EXPECT_EQ(split_.connections(), 4);
  ticks(10, kMiB);
  EXPECT_EQ(split_.connections(), 4);
  EXPECT_FALSE(split_.is_trying());
}

TEST_F(SplitTest, FullLinkStaysAtOneConnection) {
  begin();
  ticks_on_full_link(6, kMiB);
  EXPECT_EQ(split_.connections(), 1);
  EXPECT_FALSE(split_.is_trying());
}

TEST_F(SplitTest, FailedTrialIsRepeatedAfterAPauseThatGrows) {
  begin();
  int trials = 0;
  for (int i = 0; i < 2 * 70; ++i) {
    const bool before = split_.is_trying();
    tick(kMiB);
    if (!before && split_.is_trying()) ++trials;
  }
  EXPECT_EQ(trials, 3);  // After 1 s, and 10 s and 20 s after the failures.
}

TEST_F(SplitTest, AfterAFailedTrialARestOfTenSecondsIsNotSplit) {
  bytes_.left = 40 * kMiB;
  begin();
  ticks_on_full_link(5, kMiB);
  ASSERT_FALSE(split_.is_trying());
  ticks_on_full_link(34, kMiB);
  EXPECT_FALSE(split_.is_trying());
}

TEST_F(SplitTest, LargerShareOfAFullLinkIsNoGain) {
  begin();
  tick(kMiB, 3 * kMiB);
  tick(kMiB, 3 * kMiB);
  ASSERT_EQ(split_.connections(), 2);
  for (int i = 0; i < 3; ++i) tick(2 * kMiB, 2 * kMiB);
  EXPECT_EQ(split_.connections(), 1);
}

TEST_F(SplitTest, RateThatStillRisesIsNotJudged) {
  begin();
  for (std::uint64_t own = kMiB; own <= 8 * kMiB; own *= 2) tick(own);
  EXPECT_EQ(split_.connections(), 1);
}

TEST_F(SplitTest, RateThatWasLowForAMomentIsNoGain) {
  begin();
  ticks_on_full_link(5, 4 * kMiB);  // The first trial fails.
  ASSERT_EQ(split_.connections(), 1);
  ticks_on_full_link(17, 4 * kMiB);
  for (int i = 0; i < 6 && !split_.is_trying(); ++i) tick(2 * kMiB);
  ASSERT_TRUE(split_.is_trying());
  ticks_on_full_link(3, 4 * kMiB);
  EXPECT_EQ(split_.connections(), 1) << "the link was full before, too";
}

TEST_F(SplitTest, GainThatTheNextSecondsDontBearOutIsTakenBack) {
  begin();
  ticks_on_full_link(2, 4 * kMiB);
  ASSERT_TRUE(split_.is_trying());
  tick(4 * kMiB);
  tick(kMiB);  // A stall, and all its bytes in the next tick.
  tick(7 * kMiB);
  ASSERT_EQ(split_.connections(), 2);
  ASSERT_EQ(Split({}, 4, link_, now_).connections(), 2);
  ticks_on_full_link(9, 4 * kMiB);
  EXPECT_EQ(split_.connections(), 1);
  EXPECT_EQ(Split({}, 4, link_, now_).connections(), 1);
}

TEST_F(SplitTest, RateOfMoreConnectionsSaysNothingAboutFewer) {
  Split six({}, 1, link_, now_);
  SplitBytes of_six{0, 0, 1000 * kMiB, 6};
  for (int i = 0; i < 8; ++i) {
    now_ += Split::kTick;
    of_six.own = of_six.all += 6 * kMiB;
    six.on_tick(now_, of_six);
  }
  begin();
  ticks(5, kMiB);
  EXPECT_EQ(split_.connections(), 4);
}

TEST_F(SplitTest, UsualRateIsForgottenAfterFiveMinutes) {
  begin();
  ticks_on_full_link(6, 4 * kMiB);
  ASSERT_EQ(split_.connections(), 1);
  now_ += std::chrono::minutes(6);
  bytes_.own = bytes_.all = 0;
  Split later({}, 4, link_, now_);
  for (int i = 0; i < 6; ++i) {
    later.on_tick(now_, bytes_);
    now_ += Split::kTick;
    bytes_.own = bytes_.all += kMiB * static_cast<std::uint64_t>(later.connections());
    bytes_.connections = later.connections();
  }
  EXPECT_GE(later.connections(), 2);
}

TEST_F(SplitTest, ShortRestIsNotSplit) {
  bytes_.left = 5 * kMiB;
  begin();
  ticks(3, kMiB);
  EXPECT_EQ(split_.connections(), 1);
}

TEST_F(SplitTest, RatesOfAFullLinkVaryAndAreNoGain) {
  begin();
  for (const std::uint64_t tenths : {9, 11, 10, 12, 11}) tick(tenths * kMiB / 10, 2 * kMiB);
  EXPECT_EQ(split_.connections(), 1);
  EXPECT_FALSE(split_.is_trying());
}

TEST_F(SplitTest, SmallBlobOnASlowLinkIsSplit) {
  bytes_.left = 8 * kMiB;
  begin();
  ticks(10, kMiB / 6);
  EXPECT_EQ(split_.connections(), 4);
  EXPECT_EQ(split_.part_bytes(4 * kMiB), kMiB / 2) << "an eighth of the rest";
  EXPECT_NEAR(split_.part_bytes(kMiB), kMiB / 3, 1) << "one second";
}

TEST_F(SplitTest, SmallRestIsNotSplit) {
  bytes_.left = 2 * kMiB;
  begin();
  ticks(3, kMiB / 10);
  EXPECT_EQ(split_.connections(), 1);
}

TEST_F(SplitTest, WaitsUntilNoOtherBlobTries) {
  auto other = std::make_unique<Split>(SplitRules{}, 4, link_, now_);
  for (int i = 0; i < 3; ++i) {
    other->on_tick(now_, bytes_);
    tick(kMiB);
  }
  ASSERT_TRUE(other->is_trying());
  EXPECT_EQ(split_.connections(), 1);
  other.reset();
  tick(kMiB);
  EXPECT_EQ(split_.connections(), 2);
}

TEST_F(SplitTest, FailedTrialOfOneBlobHoldsUpTheTrialsOfAll) {
  begin();
  ticks_on_full_link(5, kMiB);
  ASSERT_FALSE(split_.is_trying());
  Split other({}, 4, link_, now_);
  const auto tick_other = [&] {
    tick(kMiB);
    other.on_tick(now_, bytes_);
  };
  for (int i = 0; i < 18; ++i) {
    tick_other();
    ASSERT_FALSE(split_.is_trying() || other.is_trying()) << i;
  }
  for (int i = 0; i < 3; ++i) tick_other();
  EXPECT_TRUE(split_.is_trying() || other.is_trying());
}

TEST_F(SplitTest, LinkIsUnknownFiveMinutesAfterAFailedTrial) {
  begin();
  ticks_on_full_link(5, kMiB);
  ASSERT_FALSE(split_.is_trying());
  now_ += std::chrono::minutes(6);
  bytes_.left = 8 * kMiB;
  Split later({}, 4, link_, now_);
  for (int i = 0; i < 3; ++i) {
    later.on_tick(now_, bytes_);
    tick(kMiB);
  }
  EXPECT_TRUE(later.is_trying());
}

TEST_F(SplitTest, LaterBlobsBeginWithTheConnectionsThatGained) {
  begin();
  ticks(2, kMiB);
  ASSERT_TRUE(split_.is_trying());
  EXPECT_EQ(Split({}, 4, link_, now_).connections(), 1) << "the trial isn't judged";
  ticks(8, kMiB);
  ASSERT_EQ(split_.connections(), 4);
  EXPECT_EQ(Split({}, 4, link_, now_).connections(), 4);
  EXPECT_EQ(Split({}, 3, link_, now_).connections(), 3);
  EXPECT_EQ(Split({}, 4, link_, now_ + std::chrono::minutes(5)).connections(), 1);
}

TEST_F(SplitTest, FailedTrialTakesLaterBlobsBackToItsConnections) {
  begin();
  ticks(5, kMiB);
  ASSERT_EQ(split_.connections(), 4);
  ASSERT_EQ(Split({}, 4, link_, now_).connections(), 2);
  ticks_on_full_link(4, 2 * kMiB);
  ASSERT_EQ(split_.connections(), 2);
  EXPECT_EQ(Split({}, 4, link_, now_).connections(), 2);
  Split other({}, 4, link_, now_ + std::chrono::minutes(6));
  now_ += std::chrono::minutes(6);
  for (int i = 0; i < 6; ++i) {
    other.on_tick(now_, bytes_);
    now_ += Split::kTick;
    bytes_.own += kMiB;
    bytes_.all += kMiB;
  }
  ASSERT_FALSE(other.is_trying());
  EXPECT_EQ(Split({}, 4, link_, now_).connections(), 1);
}

TEST_F(SplitTest, LastStepNeedNotDoubleTheConnections) {
  Split five({}, 5, link_, now_);
  for (int i = 0; i < 30; ++i) {
    five.on_tick(now_, bytes_);
    now_ += Split::kTick;
    bytes_.own +=
        kMiB * static_cast<std::uint64_t>(five.connections()) * (i % 2 == 0 ? 95 : 100) / 100;
    bytes_.all = bytes_.own;
  }
  EXPECT_EQ(five.connections(), 5);
  EXPECT_FALSE(five.is_trying());
}

TEST_F(SplitTest, GapEndsATrial) {
  begin();
  ticks(2, kMiB);
  ASSERT_TRUE(split_.is_trying());
  split_.on_gap();
  EXPECT_FALSE(split_.is_trying());
  EXPECT_EQ(split_.connections(), 1);
}

TEST_F(SplitTest, KeepsToTheMost) {
  Split one({}, 1, link_, now_);
  Split three({}, 3, link_, now_);
  for (int i = 0; i < 12; ++i) {
    one.on_tick(now_, bytes_);
    three.on_tick(now_, bytes_);
    now_ += Split::kTick;
    bytes_.own += kMiB * static_cast<std::uint64_t>(three.connections());
    bytes_.all = bytes_.own;
  }
  EXPECT_EQ(one.connections(), 1);
  EXPECT_EQ(three.connections(), 3);
}

TEST_F(SplitTest, GapEndsAMeasurement) {
  begin();
  tick(kMiB);
  split_.on_gap();
  now_ += std::chrono::seconds(20);
  begin();
  tick(kMiB);
  EXPECT_EQ(split_.connections(), 1);
  tick(kMiB);
  EXPECT_EQ(split_.connections(), 2);
}

TEST_F(SplitTest, PartTakesOneConnectionThreeSeconds) {
  begin();
  ticks(2, 2 * kMiB);
  ASSERT_EQ(split_.connections(), 2);
  EXPECT_EQ(split_.part_bytes(1000 * kMiB), 12 * kMiB) << "the new connection is as fast";
  ticks(2, 2 * kMiB);
  EXPECT_EQ(split_.part_bytes(1000 * kMiB), 12 * kMiB);
}

TEST_F(SplitTest, PartsGetSmallerNearTheEnd) {
  begin();
  ticks(2, 2 * kMiB);
  ASSERT_EQ(split_.connections(), 2);
  EXPECT_EQ(split_.part_bytes(40 * kMiB), 10 * kMiB);
  EXPECT_EQ(split_.part_bytes(2 * kMiB), 4 * kMiB) << "one second";
}

TEST_F(SplitTest, PartsHaveBounds) {
  EXPECT_EQ(split_.part_bytes(1000 * kMiB), kMiB / 4);
  begin();
  tick(100 * kMiB);
  tick(100 * kMiB);
  EXPECT_EQ(split_.part_bytes(1000 * kMiB), 32 * kMiB);
}

TEST_F(SplitTest, BytesAreFarIfTheFrontNeedsMoreThanASecond) {
  EXPECT_FALSE(split_.is_far(kMiB));
  EXPECT_TRUE(split_.is_far(kMiB + 1));
  begin();
  ticks_on_full_link(2, 4 * kMiB);
  EXPECT_FALSE(split_.is_far(8 * kMiB));
  EXPECT_TRUE(split_.is_far(8 * kMiB + 1));
}

}  // namespace
}  // namespace layby::policy
