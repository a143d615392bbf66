// SPDX-License-Identifier: Apache-2.0
//
// Tests MovingRate. Each test passes the bytes and the times itself, so no clock is used.

#include "cli/moving_rate.h"

#include <gtest/gtest.h>

namespace layby::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class MovingRateTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  MovingRate rate_;
};

TEST_F(MovingRateTest, LessThanASecondGivesNoRate) {
  EXPECT_EQ(rate_.per_second(), std::nullopt);
  rate_.take(0, seconds(0));
  rate_.take(500, milliseconds(999));
  EXPECT_EQ(rate_.per_second(), std::nullopt);
  rate_.take(1000, seconds(1));
  EXPECT_EQ(rate_.per_second(), 1000U);
}

TEST_F(MovingRateTest, BytesBeforeTheFirstLookDoNotCount) {
  rate_.take(1'000'000, seconds(50));
  rate_.take(1'000'200, seconds(52));
  EXPECT_EQ(rate_.per_second(), 100U);
}

TEST_F(MovingRateTest, TheRateCoversTheLastTenSeconds) {
  for (int second = 0; second <= 20; ++second) rate_.take(second * 1000, seconds(second));
  for (int second = 21; second <= 25; ++second) rate_.take(20'000, seconds(second));
  EXPECT_EQ(rate_.per_second(), 500U);
  for (int second = 26; second <= 30; ++second) rate_.take(20'000, seconds(second));
  EXPECT_EQ(rate_.per_second(), 0U);
}

TEST_F(MovingRateTest, AFallingSumStartsANewMeasurement) {
  rate_.take(5000, seconds(0));
  rate_.take(100, seconds(5));
  EXPECT_EQ(rate_.per_second(), std::nullopt);
  rate_.take(300, seconds(7));
  EXPECT_EQ(rate_.per_second(), 100U);
}

}  // namespace
}  // namespace layby::cli
