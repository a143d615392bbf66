// SPDX-License-Identifier: Apache-2.0
//
// When the next run is due, with a fake clock.

#include "layby/policy/run_schedule.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace layby::policy {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class RunScheduleTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  void run(RunSchedule& schedule, bool failed) {
    schedule.on_started(clock_.steady_now());
    clock_.advance(minutes(1));
    schedule.on_ended(clock_.steady_now(), failed);
  }
  milliseconds wait(const RunSchedule& schedule, seconds time_of_day = hours(12)) {
    return schedule.wait(clock_.steady_now(), time_of_day);
  }

  testing::FakeClock clock_;
  const std::optional<DayWindow> night_ = *DayWindow::parse("01:00-05:00");
};

TEST_F(RunScheduleTest, FirstRunIsDueAtOnce) {
  EXPECT_EQ(wait(RunSchedule(hours(6), std::nullopt)), milliseconds(0));
}

TEST_F(RunScheduleTest, IntervalCountsFromTheStart) {
  RunSchedule schedule(hours(6), std::nullopt);
  run(schedule, false);
  EXPECT_EQ(wait(schedule), hours(6) - minutes(1));
  clock_.advance(hours(7));
  EXPECT_EQ(wait(schedule), milliseconds(0));
}

TEST_F(RunScheduleTest, FailedRunIsRepeatedSoon) {
  RunSchedule schedule(hours(6), std::nullopt);
  run(schedule, true);
  EXPECT_EQ(wait(schedule), minutes(10));
}

TEST_F(RunScheduleTest, FailureDoesNotDelayTheNextRun) {
  RunSchedule schedule(minutes(5), std::nullopt);
  run(schedule, true);
  EXPECT_EQ(wait(schedule), minutes(4));
}

TEST_F(RunScheduleTest, EventMakesARunDue) {
  RunSchedule schedule(hours(6), std::nullopt);
  run(schedule, false);
  schedule.want_soon();
  EXPECT_EQ(wait(schedule), milliseconds(0));
}

TEST_F(RunScheduleTest, EventDoesNotHurryARetry) {
  RunSchedule schedule(hours(6), std::nullopt);
  run(schedule, true);
  schedule.want_soon();
  EXPECT_EQ(wait(schedule), minutes(10));
}

TEST_F(RunScheduleTest, RunWaitsForTheWindow) {
  RunSchedule schedule(hours(6), night_);
  EXPECT_EQ(wait(schedule, hours(22)), hours(3));
  EXPECT_EQ(wait(schedule, hours(3)), milliseconds(0));
  run(schedule, false);
  // The run is due at 8:59, after the end of the window.
  EXPECT_EQ(wait(schedule, hours(3)), hours(22));
}

TEST_F(RunScheduleTest, IntervalMayEndInTheWindow) {
  RunSchedule schedule(hours(1), night_);
  run(schedule, false);
  EXPECT_EQ(wait(schedule, hours(2)), hours(1) - minutes(1));
}

TEST_F(RunScheduleTest, RunsEndWithTheWindow) {
  const RunSchedule schedule(hours(6), night_);
  EXPECT_TRUE(schedule.may_run(hours(4)));
  EXPECT_FALSE(schedule.may_run(hours(5)));
  EXPECT_TRUE(RunSchedule(hours(6), std::nullopt).may_run(hours(5)));
}

TEST_F(RunScheduleTest, SplayDelaysTheBeginningOfTheWindow) {
  const RunSchedule schedule(hours(6), night_, minutes(7));
  EXPECT_EQ(wait(schedule, hours(22)), hours(3) + minutes(7));
  EXPECT_EQ(wait(schedule, hours(1)), minutes(7));
  EXPECT_EQ(wait(schedule, hours(1) + minutes(5)), minutes(2));
  EXPECT_EQ(wait(schedule, hours(1) + minutes(7)), milliseconds(0));
  EXPECT_TRUE(schedule.may_run(hours(1))) << "a run that was asked for goes on";
}

TEST_F(RunScheduleTest, SplayLeavesHalfOfTheWindow) {
  const RunSchedule schedule(hours(6), night_, hours(23));
  EXPECT_EQ(wait(schedule, hours(1)), hours(2));
}

TEST_F(RunScheduleTest, SplayWithoutAWindowDelaysOnlyTheSecondRun) {
  RunSchedule schedule(hours(6), std::nullopt, minutes(7));
  EXPECT_EQ(wait(schedule), milliseconds(0));
  schedule.on_started(clock_.steady_now());
  EXPECT_EQ(wait(schedule), hours(6) + minutes(7));
  clock_.advance(hours(6) + minutes(7));
  schedule.on_started(clock_.steady_now());
  EXPECT_EQ(wait(schedule), hours(6));
}

TEST_F(RunScheduleTest, SplayDependsOnTheBoxAndStaysBelowItsLimit) {
  EXPECT_EQ(splay_of(minutes(10), 0), seconds(0));
  EXPECT_EQ(splay_of(minutes(10), 0x80000000), minutes(5));
  EXPECT_EQ(splay_of(minutes(10), 0xffffffff), seconds(599));
  EXPECT_EQ(splay_of(milliseconds(0), 0xffffffff), seconds(0));
}

}  // namespace
}  // namespace layby::policy
