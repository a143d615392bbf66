// SPDX-License-Identifier: Apache-2.0
//
// Tests drains and signals with a fake clock: when /healthz becomes unhealthy, and when the daemon
// ends.

#include "app/shutdown.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/fake_clock.h"
#include "support/fake_timers.h"

namespace layby::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ShutdownTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.drain_for = seconds(20);
    config_.shutdown_grace = seconds(10);
  }

  std::vector<std::string> after(milliseconds wait) {
    timers_.advance(wait);
    return std::exchange(calls_, {});
  }

  using Seen = std::vector<std::string>;

  Config config_;
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  Seen calls_;
  Shutdown shutdown_{
      config_,
      timers_,
      clock_,
      {.on_draining =
           [this](milliseconds left) { calls_.push_back(std::to_string(left.count()) + " ms"); },
       .on_ending = [this] { calls_.emplace_back("ending"); },
       .stop = [this] { calls_.emplace_back("stop"); }}};
};

TEST_F(ShutdownTest, ServesUntilASignal) {
  EXPECT_FALSE(shutdown_.draining());
  EXPECT_EQ(after(seconds(60)), Seen{});
}

TEST_F(ShutdownTest, SignalDrainsThenEndsThenStops) {
  shutdown_.on_signal();
  EXPECT_TRUE(shutdown_.draining());
  EXPECT_EQ(after(seconds(0)), Seen{"20000 ms"});
  EXPECT_EQ(after(milliseconds(19'999)), Seen{});
  EXPECT_EQ(after(milliseconds(1)), Seen{"ending"});
  EXPECT_TRUE(shutdown_.draining());
  EXPECT_EQ(after(milliseconds(9'999)), Seen{});
  EXPECT_EQ(after(milliseconds(1)), Seen{"stop"});
}

TEST_F(ShutdownTest, WithoutDrainForASignalEndsAtOnce) {
  config_.drain_for = seconds(0);
  shutdown_.on_signal();
  EXPECT_EQ(after(seconds(0)), (Seen{"0 ms", "ending"}));
}

TEST_F(ShutdownTest, SecondSignalStopsAtOnce) {
  shutdown_.on_signal();
  after(seconds(1));
  shutdown_.on_signal();
  EXPECT_EQ(after(seconds(0)), Seen{"stop"});
}

TEST_F(ShutdownTest, DrainOfACommandHasItsOwnTime) {
  shutdown_.drain(seconds(300));
  EXPECT_EQ(after(milliseconds(299'999)), Seen{"300000 ms"});
  EXPECT_EQ(after(milliseconds(1)), Seen{"ending"});
}

TEST_F(ShutdownTest, SignalShortensALongDrain) {
  shutdown_.drain(seconds(300));
  after(seconds(100));
  shutdown_.on_signal();
  EXPECT_EQ(after(milliseconds(19'999)), Seen{"20000 ms"});
  EXPECT_EQ(after(milliseconds(1)), Seen{"ending"});
}

TEST_F(ShutdownTest, SignalDoesNotProlongADrain) {
  shutdown_.drain(seconds(300));
  after(seconds(295));
  shutdown_.on_signal();
  EXPECT_EQ(after(milliseconds(4'999)), Seen{"5000 ms"});
  EXPECT_EQ(after(milliseconds(1)), Seen{"ending"});
}

TEST_F(ShutdownTest, SecondDrainReplacesTheFirst) {
  shutdown_.drain(seconds(300));
  after(seconds(1));
  shutdown_.drain(seconds(2));
  EXPECT_EQ(after(seconds(2)), (Seen{"2000 ms", "ending"}));
}

TEST_F(ShutdownTest, DrainAfterTheEndHasBegunDoesNothing) {
  shutdown_.drain(seconds(0));
  EXPECT_EQ(after(seconds(1)), (Seen{"0 ms", "ending"}));
  shutdown_.drain(seconds(300));
  EXPECT_EQ(after(seconds(9)), Seen{"stop"});
}

}  // namespace
}  // namespace layby::app
