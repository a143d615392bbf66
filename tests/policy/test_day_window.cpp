// SPDX-License-Identifier: Apache-2.0
//
// Windows of the day, also across midnight.

#include "layby/policy/day_window.h"

#include <gtest/gtest.h>

namespace layby::policy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class DayWindowTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static DayWindow window(std::string_view text) {
    const auto parsed = DayWindow::parse(text);
    if (!parsed.ok()) throw std::invalid_argument(parsed.error().message);
    return *parsed;
  }
};

TEST_F(DayWindowTest, IncludesItsBeginningButNotItsEnd) {
  const DayWindow night = window("01:00-05:30");
  EXPECT_FALSE(night.contains(hours(1) - seconds(1)));
  EXPECT_TRUE(night.contains(hours(1)));
  EXPECT_TRUE(night.contains(hours(5) + minutes(29)));
  EXPECT_FALSE(night.contains(hours(5) + minutes(30)));
}

TEST_F(DayWindowTest, MaySpanMidnight) {
  const DayWindow night = window("22:00-06:00");
  EXPECT_TRUE(night.contains(hours(23)));
  EXPECT_TRUE(night.contains(seconds(0)));
  EXPECT_TRUE(night.contains(hours(5)));
  EXPECT_FALSE(night.contains(hours(6)));
  EXPECT_FALSE(night.contains(hours(12)));
  EXPECT_EQ(night.until_end(hours(23)), hours(7));
  EXPECT_EQ(night.until_end(hours(5)), hours(1));
  EXPECT_EQ(night.until_begin(hours(6)), hours(16));
}

TEST_F(DayWindowTest, MayEndAtMidnight) {
  const DayWindow evening = window("18:00-24:00");
  EXPECT_TRUE(evening.contains(hours(23) + minutes(59)));
  EXPECT_FALSE(evening.contains(seconds(0)));
  EXPECT_EQ(evening.until_end(hours(23)), hours(1));
  EXPECT_EQ(evening.until_begin(seconds(0)), hours(18));
}

TEST_F(DayWindowTest, MayBeginAtMidnight) {
  const DayWindow morning = window("00:00-12:00");
  EXPECT_TRUE(morning.contains(seconds(0)));
  EXPECT_EQ(morning.until_begin(hours(13)), hours(11));
  EXPECT_EQ(morning.until_begin(hours(11)), seconds(0));
  EXPECT_EQ(morning.until_end(hours(13)), seconds(0));
}

TEST_F(DayWindowTest, TextReturnsTheParsedWindow) {
  EXPECT_EQ(window("01:05-05:30").text(), "01:05-05:30");
  EXPECT_EQ(window("18:00-24:00").text(), "18:00-24:00");
}

TEST_F(DayWindowTest, MalformedWindowIsRefused) {
  for (const char* text : {"", "1:00-5:00", "01:00", "01:00-", "01:00-24:01", "24:00-05:00",
                           "01:60-05:00", "01:00-05:00-", "aa:bb-cc:dd", "01.00-05.00"}) {
    EXPECT_FALSE(DayWindow::parse(text).ok()) << text;
  }
}

TEST_F(DayWindowTest, EmptyWindowIsRefused) {
  for (const char* text : {"05:00-05:00", "00:00-24:00"}) {
    const auto parsed = DayWindow::parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_NE(parsed.error().message.find("whole day"), std::string::npos);
  }
}

}  // namespace
}  // namespace layby::policy
