// SPDX-License-Identifier: Apache-2.0
//
// Decimal numbers of protocols: digits only, up to 64 bits.

#include "layby/base/number.h"

#include <gtest/gtest.h>

namespace layby {
namespace {

class NumberTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}
};

TEST_F(NumberTest, DigitsAreRead) { EXPECT_EQ(parse_number("1234"), 1234U); }

TEST_F(NumberTest, LeadingZerosAreRead) { EXPECT_EQ(parse_number("007"), 7U); }

TEST_F(NumberTest, LargestIsRead) { EXPECT_EQ(parse_number("18446744073709551615"), UINT64_MAX); }

TEST_F(NumberTest, OverflowIsRefused) {
  EXPECT_EQ(parse_number("18446744073709551616"), std::nullopt);
}

TEST_F(NumberTest, EmptyIsRefused) { EXPECT_EQ(parse_number(""), std::nullopt); }

TEST_F(NumberTest, MinusIsRefused) { EXPECT_EQ(parse_number("-1"), std::nullopt); }

TEST_F(NumberTest, PlusIsRefused) { EXPECT_EQ(parse_number("+1"), std::nullopt); }

TEST_F(NumberTest, SpaceIsRefused) { EXPECT_EQ(parse_number(" 1"), std::nullopt); }

TEST_F(NumberTest, TrailingLetterIsRefused) { EXPECT_EQ(parse_number("1x"), std::nullopt); }

TEST_F(NumberTest, OverflowIsStillDigits) { EXPECT_TRUE(is_digits("99999999999999999999999")); }

TEST_F(NumberTest, EmptyIsNotDigits) { EXPECT_FALSE(is_digits("")); }

}  // namespace
}  // namespace layby
