// SPDX-License-Identifier: Apache-2.0
//
// A blob that comes at rates that the test sets, tick by tick.

#include <gtest/gtest.h>

#include "layby/policy/split.h"

namespace layby::policy {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class SplitTest : public ::testing::Test {
 protected:
  // Lets one tick pass, in which the blob gets `own` bytes and the other blobs get `others` bytes.
  void tick(std::uint64_t own, std::uint64_t others = 0, bool may_try = true) {
    now_ += Split::kTick;
    bytes_.own += own;
    bytes_.all += own + others;
    bytes_.left -= own;
    split_.on_tick(now_, bytes_, may_try);
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
  void begin() { split_.on_tick(now_, bytes_, true); }

  SteadyTime now_{std::chrono::hours(1)};
  SplitBytes bytes_{0, 0, 1000 * kMiB};
  Split split_{{}, 4};
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

TEST_F(SplitTest, ShortRestIsNotSplit) {
  bytes_.left = 5 * kMiB;
  begin();
  ticks(3, kMiB);
  EXPECT_EQ(split_.connections(), 1);
}

TEST_F(SplitTest, SmallRestIsNotSplit) {
  bytes_.left = 8 * kMiB;
  begin();
  ticks(3, kMiB / 10);
  EXPECT_EQ(split_.connections(), 1);
}

TEST_F(SplitTest, WaitsUntilNoOtherBlobTries) {
  begin();
  for (int i = 0; i < 4; ++i) tick(kMiB, 0, false);
  EXPECT_EQ(split_.connections(), 1);
  tick(kMiB);
  EXPECT_EQ(split_.connections(), 2);
}

TEST_F(SplitTest, KeepsToTheMost) {
  Split one({}, 1);
  Split three({}, 3);
  for (int i = 0; i < 12; ++i) {
    one.on_tick(now_, bytes_, true);
    three.on_tick(now_, bytes_, true);
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
  EXPECT_EQ(split_.part_bytes(12 * kMiB), 3 * kMiB);
  EXPECT_EQ(split_.part_bytes(2 * kMiB), kMiB);
}

TEST_F(SplitTest, PartsHaveBounds) {
  EXPECT_EQ(split_.part_bytes(1000 * kMiB), kMiB);
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
