// SPDX-License-Identifier: Apache-2.0
//
// Rate-limit headers as Docker Hub sends them, malformed headers, and when a pull may be made.

#include "layby/policy/quota.h"

#include <gtest/gtest.h>

namespace layby::policy {
namespace {

using std::chrono::seconds;

class QuotaTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}
};

TEST_F(QuotaTest, ReadsCountAndWindow) {
  EXPECT_EQ(parse_quota("100;w=21600"), (QuotaValue{100, seconds(21600)}));
}

TEST_F(QuotaTest, ReadsACountAlone) { EXPECT_EQ(parse_quota("76"), (QuotaValue{76, seconds(0)})); }

TEST_F(QuotaTest, ReadsACountOfZero) {
  EXPECT_EQ(parse_quota("0;w=21600"), (QuotaValue{0, seconds(21600)}));
}

TEST_F(QuotaTest, IgnoresSpaces) {
  EXPECT_EQ(parse_quota(" 100 ; w=21600 "), (QuotaValue{100, seconds(21600)}));
}

TEST_F(QuotaTest, RefusesAnEmptyValue) { EXPECT_EQ(parse_quota(""), std::nullopt); }

TEST_F(QuotaTest, RefusesAWord) { EXPECT_EQ(parse_quota("unlimited"), std::nullopt); }

TEST_F(QuotaTest, RefusesANegativeCount) { EXPECT_EQ(parse_quota("-1;w=5"), std::nullopt); }

TEST_F(QuotaTest, RefusesACountThatOverflows) {
  EXPECT_EQ(parse_quota("18446744073709551616"), std::nullopt);
}

TEST_F(QuotaTest, RefusesAnotherParameter) { EXPECT_EQ(parse_quota("100;q=5"), std::nullopt); }

TEST_F(QuotaTest, RefusesAnEmptyWindow) { EXPECT_EQ(parse_quota("100;w="), std::nullopt); }

TEST_F(QuotaTest, RefusesAnEndlessWindow) {
  EXPECT_EQ(parse_quota("100;w=18446744073709551615"), std::nullopt);
}

TEST_F(QuotaTest, RefusesASecondParameter) { EXPECT_EQ(parse_quota("100;w=5;w=6"), std::nullopt); }

class BackgroundPullTest : public ::testing::Test {
 protected:
  // A limit of 100 pulls in six hours, 20 of them for people. A pull comes back every 216 s.
  std::optional<QuotaState> remaining(std::uint64_t count) const {
    return QuotaState{{100, kWindow}, {count, kWindow}, "", WallTime()};
  }
  PullTurn turn(std::uint64_t left, std::uint64_t under_way = 0, seconds since_last = hours(1)) {
    return background_pull(reserve_, remaining(left), under_way, since_last);
  }

  using seconds = std::chrono::seconds;
  using hours = std::chrono::hours;
  using Why = PullTurn::Why;
  static constexpr seconds kWindow{21600};
  QuotaReserve reserve_;
};

TEST_F(BackgroundPullTest, IsFreeWithoutALimit) {
  const PullTurn turn = background_pull(reserve_, std::nullopt, 0, seconds(0));
  EXPECT_EQ(turn.why, Why::kFree);
  EXPECT_EQ(turn.wait, seconds(0));
}

TEST_F(BackgroundPullTest, IsFreeWhileThereIsPlenty) {
  EXPECT_EQ(turn(100).why, Why::kFree);
  EXPECT_EQ(turn(41).why, Why::kFree);
}

TEST_F(BackgroundPullTest, IsPacedNearTheReserve) {
  const PullTurn paced = turn(40, 0, seconds(16));
  EXPECT_EQ(paced.why, Why::kPaced);
  EXPECT_EQ(paced.wait, seconds(200));
}

TEST_F(BackgroundPullTest, GoesWhenOnePullHasComeBack) {
  EXPECT_EQ(turn(40, 0, seconds(216)).wait, seconds(0));
}

TEST_F(BackgroundPullTest, StopsAtTheReserve) {
  const PullTurn stopped = turn(20);
  EXPECT_EQ(stopped.why, Why::kReserved);
  EXPECT_EQ(stopped.wait, seconds(216));
  EXPECT_EQ(turn(21).why, Why::kPaced);
}

TEST_F(BackgroundPullTest, PullsUnderWayCountAsSpent) {
  EXPECT_EQ(turn(22, 2).why, Why::kReserved);
}

TEST_F(BackgroundPullTest, AFullReserveLeavesNoPull) {
  reserve_ = {100, 0};
  EXPECT_EQ(turn(100).why, Why::kReserved);
}

TEST_F(BackgroundPullTest, AReserveMayBeANumber) {
  reserve_ = {0, 30};
  EXPECT_EQ(turn(30).why, Why::kReserved);
  EXPECT_EQ(turn(31).why, Why::kPaced);
}

TEST_F(BackgroundPullTest, ALimitOfZeroStopsPulls) {
  const auto quota = QuotaState{{0, seconds(0)}, {0, seconds(0)}, "", WallTime()};
  const PullTurn stopped = background_pull(reserve_, quota, 0, seconds(0));
  EXPECT_EQ(stopped.why, Why::kReserved);
  EXPECT_GT(stopped.wait, seconds(0));
}

TEST_F(BackgroundPullTest, RemainingPullsTakeNoTime) {
  EXPECT_EQ(time_for_pulls(reserve_, *remaining(76), 56), seconds(0));
}

TEST_F(BackgroundPullTest, MissingPullsComeBackOneByOne) {
  EXPECT_EQ(time_for_pulls(reserve_, *remaining(76), 57), seconds(216));
  EXPECT_EQ(time_for_pulls(reserve_, *remaining(0), 100), hours(6));
}

TEST_F(BackgroundPullTest, NoNumberOfPullsOverflows) {
  EXPECT_GT(time_for_pulls(reserve_, *remaining(0), UINT64_MAX), hours(1000));
}

}  // namespace
}  // namespace layby::policy
