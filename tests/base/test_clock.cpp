// SPDX-License-Identifier: Apache-2.0
//
// The machine's clock, and the time of day in a time zone.

#include "layby/base/clock.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace layby {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class ClockTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {
    unsetenv("TZ");
    tzset();
  }

  static void set_zone(const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
  }

  const WallTime noon_{hours(24 * 20000) + hours(12) + minutes(34) + seconds(56)};
};

TEST_F(ClockTest, WallClockIsTheSystemClock) {
  const WallTime before = std::chrono::system_clock::now();
  const WallTime now = SystemClock().wall_now();
  EXPECT_GE(now, before - seconds(1));
  EXPECT_LE(now, std::chrono::system_clock::now());
}

TEST_F(ClockTest, TimeOfDayCountsFromMidnight) {
  set_zone("UTC0");
  EXPECT_EQ(local_time_of_day(noon_), hours(12) + minutes(34) + seconds(56));
}

TEST_F(ClockTest, TimeOfDayFollowsTheTimeZone) {
  set_zone("EST5");
  EXPECT_EQ(local_time_of_day(noon_), hours(7) + minutes(34) + seconds(56));
}

}  // namespace
}  // namespace layby
