// SPDX-License-Identifier: Apache-2.0
//
// Freshness of tags, with a clock that stands still.

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

}  // namespace
}  // namespace layby::policy
