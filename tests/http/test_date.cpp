// SPDX-License-Identifier: Apache-2.0
//
// HTTP dates, by the example of RFC 9110, and Retry-After in both of its forms.

#include "layby/http/date.h"

#include <gtest/gtest.h>

namespace layby::http {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

class DateTest : public ::testing::Test {
 protected:
  void SetUp() override { example_ = WallTime(seconds(784'111'777)); }
  void TearDown() override {}

  static constexpr std::string_view kExample = "Sun, 06 Nov 1994 08:49:37 GMT";
  WallTime example_;
};

TEST_F(DateTest, ExampleIsWritten) { EXPECT_EQ(format_date(example_), kExample); }

TEST_F(DateTest, FractionsOfASecondAreCut) {
  EXPECT_EQ(format_date(example_ + milliseconds(999)), kExample);
}

TEST_F(DateTest, TimeBeforeTheEpochIsWritten) {
  EXPECT_EQ(format_date(WallTime(milliseconds(-1))), "Wed, 31 Dec 1969 23:59:59 GMT");
}

TEST_F(DateTest, EarliestTimeIsWritten) {
  EXPECT_EQ(format_date(WallTime::min()), "Tue, 21 Sep 1677 00:12:43 GMT");
}

TEST_F(DateTest, ExampleIsRead) { EXPECT_EQ(parse_date(kExample), example_); }

TEST_F(DateTest, LeapDayIsRead) {
  EXPECT_EQ(parse_date("Thu, 29 Feb 2024 00:00:00 GMT"), WallTime(seconds(1'709'164'800)));
}

TEST_F(DateTest, LeapDayOfACommonYearIsRefused) {
  EXPECT_EQ(parse_date("Wed, 29 Feb 2023 00:00:00 GMT"), std::nullopt);
}

TEST_F(DateTest, WrongDayOfTheWeekIsRefused) {
  EXPECT_EQ(parse_date("Mon, 06 Nov 1994 08:49:37 GMT"), std::nullopt);
}

TEST_F(DateTest, UnknownMonthIsRefused) {
  EXPECT_EQ(parse_date("Sun, 06 Nox 1994 08:49:37 GMT"), std::nullopt);
}

TEST_F(DateTest, HourTwentyFourIsRefused) {
  EXPECT_EQ(parse_date("Sun, 06 Nov 1994 24:00:00 GMT"), std::nullopt);
}

TEST_F(DateTest, OtherZoneIsRefused) {
  EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 CET"), std::nullopt);
}

TEST_F(DateTest, Rfc850FormIsRefused) {
  EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT"), std::nullopt);
}

TEST_F(DateTest, AsctimeFormIsRefused) {
  EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994"), std::nullopt);
}

TEST_F(DateTest, YearBeyondTheClockIsRefused) {
  EXPECT_EQ(parse_date("Fri, 31 Dec 9999 23:59:59 GMT"), std::nullopt);
}

TEST_F(DateTest, EmptyTextIsRefused) { EXPECT_EQ(parse_date(""), std::nullopt); }

TEST_F(DateTest, RetryAfterInSeconds) {
  EXPECT_EQ(parse_retry_after(" 120 ", example_), seconds(120));
}

TEST_F(DateTest, RetryAfterAsADate) {
  EXPECT_EQ(parse_retry_after(kExample, example_ - hours(1)), hours(1));
}

TEST_F(DateTest, RetryAfterInThePastIsZero) {
  EXPECT_EQ(parse_retry_after(kExample, example_ + hours(1)), seconds(0));
}

TEST_F(DateTest, RetryAfterRoundsUp) {
  EXPECT_EQ(parse_retry_after(kExample, example_ - milliseconds(1500)), seconds(2));
}

TEST_F(DateTest, RetryAfterIsAtMostAYear) {
  EXPECT_EQ(parse_retry_after("99999999999999999999999", example_), hours(24 * 365));
}

TEST_F(DateTest, RetryAfterOfAFarDateIsAtMostAYear) {
  EXPECT_EQ(parse_retry_after("Sun, 01 Jan 2260 00:00:00 GMT", WallTime::min()), hours(24 * 365));
}

TEST_F(DateTest, NegativeRetryAfterIsRefused) {
  EXPECT_EQ(parse_retry_after("-1", example_), std::nullopt);
}

TEST_F(DateTest, FractionalRetryAfterIsRefused) {
  EXPECT_EQ(parse_retry_after("1.5", example_), std::nullopt);
}

}  // namespace
}  // namespace layby::http
