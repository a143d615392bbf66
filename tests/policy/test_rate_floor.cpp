// SPDX-License-Identifier: Apache-2.0
//
// Tests when a transfer is too slow. The time in which a transfer is stopped doesn't count.

#include "layby/policy/rate_floor.h"

#include <gtest/gtest.h>

namespace layby::policy {
namespace {

using namespace std::chrono_literals;

class RateFloorTest : public ::testing::Test {
 protected:
  const RateFloorRules rules_{100, 60s};
  SteadyTime now_{1h};
  RateFloor floor_{rules_, now_};
};

TEST_F(RateFloorTest, FailsAfterAWindowWithTooLittle) {
  floor_.count(99);
  now_ += 59s;
  EXPECT_FALSE(floor_.fails(now_));
  EXPECT_EQ(floor_.left(now_), 1s);
  now_ += 1s;
  EXPECT_TRUE(floor_.fails(now_));
}

TEST_F(RateFloorTest, CountsEachWindowAnew) {
  floor_.count(1'000'000);
  now_ += 60s;
  EXPECT_FALSE(floor_.fails(now_));
  EXPECT_EQ(floor_.left(now_), 60s);
  floor_.count(99);
  now_ += 60s;
  EXPECT_TRUE(floor_.fails(now_));
}

TEST_F(RateFloorTest, KeepsATransferAtTheFloor) {
  for (int minute = 0; minute < 100; ++minute) {
    floor_.count(100);
    now_ += 60s;
    ASSERT_FALSE(floor_.fails(now_));
  }
}

TEST_F(RateFloorTest, CountsNoTimeWhileStopped) {
  now_ += 30s;
  floor_.stop(now_);
  now_ += 1h;
  floor_.stop(now_);
  now_ += 1h;
  floor_.go_on(now_);
  EXPECT_EQ(floor_.left(now_), 30s);
  now_ += 10s;
  floor_.go_on(now_);
  EXPECT_EQ(floor_.left(now_), 20s);
  EXPECT_FALSE(floor_.fails(now_));
  now_ += 20s;
  EXPECT_TRUE(floor_.fails(now_));
}

}  // namespace
}  // namespace layby::policy
