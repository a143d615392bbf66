// SPDX-License-Identifier: Apache-2.0
//
// Tests how long an upstream, one repository or one blob is left in peace after a 429. The clock is
// a fake.

#include "layby/policy/quiet_times.h"

#include <gtest/gtest.h>

#include <string>

#include "support/fake_clock.h"

namespace layby::policy {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class QuietTimesTest : public ::testing::Test {
 protected:
  seconds left(SteadyTime until) const {
    const auto rest = std::chrono::floor<seconds>(until - clock_.steady_now());
    return rest.count() > 0 ? rest : seconds(0);
  }
  SteadyTime now() const { return clock_.steady_now(); }

  testing::FakeClock clock_;
  QuietTimes quiet_;
};

TEST_F(QuietTimesTest, NothingIsQuietAtFirst) {
  EXPECT_EQ(left(quiet_.until()), seconds(0));
  EXPECT_EQ(left(quiet_.pulls_until()), seconds(0));
  EXPECT_EQ(left(quiet_.part_until("a", "x")), seconds(0));
}

TEST_F(QuietTimesTest, PullsWaitAlone) {
  EXPECT_EQ(quiet_.on_throttled(now(), true, seconds(9)), seconds(9));
  EXPECT_EQ(left(quiet_.until()), seconds(0));
  EXPECT_EQ(left(quiet_.pulls_until()), seconds(9));
}

TEST_F(QuietTimesTest, PullsWaitWithAllRequests) {
  quiet_.on_throttled(now(), false, seconds(9));
  EXPECT_EQ(left(quiet_.pulls_until()), seconds(9));
}

TEST_F(QuietTimesTest, NoWaitIsLongerThanTenMinutes) {
  EXPECT_EQ(quiet_.on_throttled(now(), false, hours(24)), seconds(600));
  EXPECT_EQ(quiet_.on_part_throttled(now(), "a", "", seconds::max()), seconds(600));
  EXPECT_EQ(left(quiet_.until()), seconds(600));
  EXPECT_EQ(left(quiet_.part_until("a", "x")), seconds(600));
}

TEST_F(QuietTimesTest, PartIsQuietAlone) {
  EXPECT_EQ(quiet_.on_part_throttled(now(), "a", "", std::nullopt), seconds(60));
  EXPECT_EQ(left(quiet_.part_until("a", "x")), seconds(60));
  EXPECT_EQ(left(quiet_.part_until("b", "x")), seconds(0));
  EXPECT_EQ(left(quiet_.pulls_until()), seconds(0));
}

TEST_F(QuietTimesTest, ContentIsQuietInItsRepositoryAlone) {
  quiet_.on_part_throttled(now(), "a", "x", seconds(9));
  EXPECT_EQ(left(quiet_.part_until("a", "x")), seconds(9));
  EXPECT_EQ(left(quiet_.part_until("a", "y")), seconds(0));
  EXPECT_EQ(left(quiet_.part_until("a", "")), seconds(0));
  EXPECT_EQ(left(quiet_.part_until("b", "x")), seconds(0));
}

TEST_F(QuietTimesTest, ManyPartsTakeBoundedRoom) {
  quiet_.on_part_throttled(now(), "r", "first", seconds(600));
  for (int i = 0; i < 1024; ++i)
    quiet_.on_part_throttled(now(), "r", std::to_string(i), seconds(1));
  EXPECT_EQ(left(quiet_.part_until("r", "first")), seconds(0)) << "all parts were forgotten";
  EXPECT_EQ(left(quiet_.part_until("r", "1023")), seconds(1));
}

TEST_F(QuietTimesTest, PartsThatAreOverMakeRoomFirst) {
  for (int i = 0; i < 1023; ++i)
    quiet_.on_part_throttled(now(), "r", std::to_string(i), seconds(1));
  quiet_.on_part_throttled(now(), "r", "last", seconds(600));
  clock_.advance(seconds(2));
  quiet_.on_part_throttled(now(), "r", "another", seconds(1));
  EXPECT_EQ(left(quiet_.part_until("r", "last")), seconds(598));
}

}  // namespace
}  // namespace layby::policy
