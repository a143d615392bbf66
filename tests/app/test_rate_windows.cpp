// SPDX-License-Identifier: Apache-2.0
//
// The rate limit over a day. The test moves the clock.

#include "app/rate_windows.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <vector>

#include "support/fake_clock.h"
#include "support/fake_timers.h"

namespace layby::app {
namespace {

using std::chrono::hours;

class RateWindowsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC0", 1);
    tzset();
    clock_.set_wall(WallTime(hours(24 * 20000)));
    config_.upstream.max_rate = 1'000'000;
    config_.upstream.windows = {{"01:00-05:00", 0}, {"00:00-06:00", 2'000'000}};
  }
  void TearDown() override {
    unsetenv("TZ");
    tzset();
  }

  Config config_;
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  std::vector<std::uint64_t> rates_;
};

TEST_F(RateWindowsTest, FirstWindowThatContainsTheTimeCounts) {
  const RateWindows windows(config_, timers_, clock_, [](std::uint64_t) {});
  EXPECT_EQ(windows.rate_at(hours(0)), 2'000'000u);
  EXPECT_EQ(windows.rate_at(hours(2)), 0u);
  EXPECT_EQ(windows.rate_at(hours(5)), 2'000'000u);
  EXPECT_EQ(windows.rate_at(hours(12)), 1'000'000u);
}

TEST_F(RateWindowsTest, RateFollowsTheClock) {
  const RateWindows windows(config_, timers_, clock_,
                            [this](std::uint64_t rate) { rates_.push_back(rate); });
  EXPECT_EQ(rates_, std::vector<std::uint64_t>{2'000'000});
  timers_.advance(hours(1));
  EXPECT_EQ(rates_.back(), 0u);
  timers_.advance(hours(6));
  EXPECT_EQ(rates_.back(), 1'000'000u);
}

TEST_F(RateWindowsTest, OneRateForTheWholeDayIsSetOnce) {
  config_.upstream.windows.clear();
  const RateWindows windows(config_, timers_, clock_,
                            [this](std::uint64_t rate) { rates_.push_back(rate); });
  timers_.advance(hours(24));
  EXPECT_EQ(rates_, std::vector<std::uint64_t>{1'000'000});
}

}  // namespace
}  // namespace layby::app
