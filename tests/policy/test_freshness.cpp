// SPDX-License-Identifier: Apache-2.0
//
// Freshness of tags, and the silence after failures, with a clock that stands still.

#include "layby/policy/freshness.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace layby::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class FreshnessTest : public ::testing::Test {
 protected:
  void SetUp() override { checked_at_ = clock_.wall_now(); }
  void TearDown() override {}

  Freshness after(milliseconds age) {
    clock_.advance(age);
    return tag_freshness(checked_at_, clock_.wall_now(), seconds(60));
  }

  testing::FakeClock clock_;
  WallTime checked_at_;
};

TEST_F(FreshnessTest, JustCheckedIsFresh) { EXPECT_EQ(after(milliseconds(0)), Freshness::kFresh); }

TEST_F(FreshnessTest, FreshUntilTheLimit) {
  EXPECT_EQ(after(milliseconds(59'999)), Freshness::kFresh);
}

TEST_F(FreshnessTest, StaleAtTheLimit) { EXPECT_EQ(after(seconds(60)), Freshness::kStale); }

TEST_F(FreshnessTest, CheckInTheFutureIsStale) { EXPECT_EQ(after(seconds(-1)), Freshness::kStale); }

TEST_F(FreshnessTest, LimitOfZeroIsAlwaysStale) {
  EXPECT_EQ(tag_freshness(checked_at_, checked_at_, seconds(0)), Freshness::kStale);
}

TEST_F(FreshnessTest, LongestLimitIsFresh) {
  EXPECT_EQ(tag_freshness(WallTime{}, checked_at_, milliseconds::max()), Freshness::kFresh);
}

class BackoffTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  void fail() { backoff_.on_failure(clock_.steady_now()); }
  bool silent_after(milliseconds wait) {
    clock_.advance(wait);
    return backoff_.silent_at(clock_.steady_now());
  }
  // A failure, and each time the silence ends the next one.
  void fail_in_a_row(int times) {
    for (int i = 0; i < times; ++i) {
      clock_.advance(seconds(30));
      fail();
    }
  }

  testing::FakeClock clock_;
  Backoff backoff_;
};

TEST_F(BackoffTest, NotSilentAtFirst) { EXPECT_FALSE(silent_after(seconds(0))); }

TEST_F(BackoffTest, FirstFailureSilencesAtOnce) {
  fail();
  EXPECT_TRUE(silent_after(seconds(0)));
}

TEST_F(BackoffTest, FirstSilenceLastsASecond) {
  fail();
  EXPECT_TRUE(silent_after(milliseconds(999)));
  EXPECT_FALSE(silent_after(milliseconds(1)));
}

TEST_F(BackoffTest, SecondSilenceLastsTwoSeconds) {
  fail_in_a_row(2);
  EXPECT_TRUE(silent_after(milliseconds(1999)));
  EXPECT_FALSE(silent_after(milliseconds(1)));
}

TEST_F(BackoffTest, SilenceGrowsToThirtySecondsAndNoMore) {
  fail_in_a_row(100);
  EXPECT_TRUE(silent_after(milliseconds(29'999)));
  EXPECT_FALSE(silent_after(milliseconds(1)));
}

TEST_F(BackoffTest, FailuresInTheSilenceDoNotLengthenIt) {
  for (int i = 0; i < 100; ++i) fail();
  EXPECT_FALSE(silent_after(seconds(1)));
}

TEST_F(BackoffTest, SuccessEndsTheSilence) {
  fail_in_a_row(5);
  backoff_.on_success();
  EXPECT_FALSE(silent_after(seconds(0)));
}

TEST_F(BackoffTest, SuccessStartsTheCountAgain) {
  fail_in_a_row(5);
  backoff_.on_success();
  fail();
  EXPECT_FALSE(silent_after(seconds(1)));
}

}  // namespace
}  // namespace layby::policy
