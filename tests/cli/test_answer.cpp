// SPDX-License-Identifier: Apache-2.0
//
// Ages, durations and bars as text.

#include "cli/answer.h"

#include <gtest/gtest.h>

namespace layby::cli {
namespace {

class AnswerTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}
};

TEST_F(AnswerTest, AnAgeHasOneUnit) {
  EXPECT_EQ(age(59), "59 s");
  EXPECT_EQ(age(3599), "59 min");
  EXPECT_EQ(age(47 * 3600), "47 h");
  EXPECT_EQ(age(49 * 3600), "2 d");
}

TEST_F(AnswerTest, ASpelledDurationHasTwoUnitsAtMost) {
  EXPECT_EQ(spelled_duration(40), "40 s");
  EXPECT_EQ(spelled_duration(185), "3 min");
  EXPECT_EQ(spelled_duration(6 * 3600), "6 h");
  EXPECT_EQ(spelled_duration(12'059), "3 h 20 min");
  EXPECT_EQ(spelled_duration(26 * 3600 + 59), "1 d 2 h");
}

TEST_F(AnswerTest, ABarIsAsLongAsItsShare) {
  EXPECT_EQ(bar(0, 4), "[----]");
  EXPECT_EQ(bar(0.5, 4), "[##--]");
  EXPECT_EQ(bar(7, 4), "[####]");
  EXPECT_EQ(bar(-1, 4), "[----]");
}

}  // namespace
}  // namespace layby::cli
