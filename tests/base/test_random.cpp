// SPDX-License-Identifier: Apache-2.0
//
// Tests the random numbers and their seed.

#include "layby/base/random.h"

#include <gtest/gtest.h>

#include <vector>

namespace layby {
namespace {

class RandomTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static std::vector<double> draw() {
    std::vector<double> numbers;
    for (int i = 0; i < 100; ++i) numbers.push_back(random_share());
    return numbers;
  }
};

TEST_F(RandomTest, NumbersAreAtLeastZeroAndBelowOne) {
  for (const double number : draw()) {
    EXPECT_GE(number, 0.0);
    EXPECT_LT(number, 1.0);
  }
}

TEST_F(RandomTest, TheSameSeedGivesTheSameNumbers) {
  seed_random(7);
  const auto first = draw();
  seed_random(7);
  EXPECT_EQ(draw(), first);
}

TEST_F(RandomTest, NumbersDiffer) { EXPECT_NE(draw(), draw()); }

}  // namespace
}  // namespace layby
