// SPDX-License-Identifier: Apache-2.0
//
// Rate-limit headers as Docker Hub sends them, and what is no such header.

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

TEST_F(QuotaTest, CountAndWindow) {
  EXPECT_EQ(parse_quota("100;w=21600"), (QuotaValue{100, seconds(21600)}));
}

TEST_F(QuotaTest, CountAlone) { EXPECT_EQ(parse_quota("76"), (QuotaValue{76, seconds(0)})); }

TEST_F(QuotaTest, NothingLeft) {
  EXPECT_EQ(parse_quota("0;w=21600"), (QuotaValue{0, seconds(21600)}));
}

TEST_F(QuotaTest, SpacesAreFine) {
  EXPECT_EQ(parse_quota(" 100 ; w=21600 "), (QuotaValue{100, seconds(21600)}));
}

TEST_F(QuotaTest, EmptyIsNothing) { EXPECT_EQ(parse_quota(""), std::nullopt); }

TEST_F(QuotaTest, WordIsNothing) { EXPECT_EQ(parse_quota("unlimited"), std::nullopt); }

TEST_F(QuotaTest, NegativeIsNothing) { EXPECT_EQ(parse_quota("-1;w=5"), std::nullopt); }

TEST_F(QuotaTest, OverflowIsNothing) {
  EXPECT_EQ(parse_quota("18446744073709551616"), std::nullopt);
}

TEST_F(QuotaTest, OtherParameterIsNothing) { EXPECT_EQ(parse_quota("100;q=5"), std::nullopt); }

TEST_F(QuotaTest, MissingWindowIsNothing) { EXPECT_EQ(parse_quota("100;w="), std::nullopt); }

TEST_F(QuotaTest, EndlessWindowIsNothing) {
  EXPECT_EQ(parse_quota("100;w=18446744073709551615"), std::nullopt);
}

TEST_F(QuotaTest, SecondParameterIsNothing) { EXPECT_EQ(parse_quota("100;w=5;w=6"), std::nullopt); }

}  // namespace
}  // namespace layby::policy
