// SPDX-License-Identifier: Apache-2.0
//
// Header fields: order, case, and lists over several lines.

#include "layby/http/headers.h"

#include <gtest/gtest.h>

namespace layby::http {
namespace {

class HeadersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    headers_.add("Accept", "a/b");
    headers_.add("Host", "example.org");
    headers_.add("accept", "c/d, e/f");
  }
  void TearDown() override { headers_.clear(); }

  Headers headers_;
};

TEST_F(HeadersTest, GetIgnoresCase) { EXPECT_EQ(headers_.get("hOST"), "example.org"); }

TEST_F(HeadersTest, GetGivesTheFirstValue) { EXPECT_EQ(headers_.get("Accept"), "a/b"); }

TEST_F(HeadersTest, GetOfAMissingFieldIsNothing) { EXPECT_EQ(headers_.get("Range"), std::nullopt); }

TEST_F(HeadersTest, EmptyValueIsPresent) {
  headers_.add("Empty", "");
  EXPECT_EQ(headers_.get("Empty"), "");
}

TEST_F(HeadersTest, JoinedMergesAllLines) { EXPECT_EQ(headers_.joined("ACCEPT"), "a/b, c/d, e/f"); }

TEST_F(HeadersTest, JoinedOfAMissingFieldIsEmpty) { EXPECT_EQ(headers_.joined("Range"), ""); }

TEST_F(HeadersTest, CountCountsLines) { EXPECT_EQ(headers_.count("accept"), 2U); }

TEST_F(HeadersTest, FieldsKeepOrderAndSpelling) {
  ASSERT_EQ(headers_.size(), 3U);
  EXPECT_EQ(headers_[2].name, "accept");
  EXPECT_EQ(headers_[2].value, "c/d, e/f");
}

TEST_F(HeadersTest, ClearLeavesNothing) {
  headers_.clear();
  EXPECT_EQ(headers_.size(), 0U);
}

TEST_F(HeadersTest, EqualsIgnoresAsciiCaseOnly) {
  EXPECT_FALSE(equals_ignoring_case("\xe4", "\xc4"));
}

TEST_F(HeadersTest, PrefixIsNotEqual) { EXPECT_FALSE(equals_ignoring_case("Host", "Hosts")); }

TEST_F(HeadersTest, TrimTakesSpacesAndTabs) { EXPECT_EQ(trim(" \t a b\t "), "a b"); }

TEST_F(HeadersTest, TrimOfSpacesIsEmpty) { EXPECT_EQ(trim(" \t "), ""); }

TEST_F(HeadersTest, TokenIsFoundInAList) {
  EXPECT_TRUE(list_has_token("keep-alive , Close", "close"));
}

TEST_F(HeadersTest, TokenIsNotFoundInsideAnother) {
  EXPECT_FALSE(list_has_token("enclosed, close-not", "close"));
}

TEST_F(HeadersTest, TokenIsNotFoundInNothing) { EXPECT_FALSE(list_has_token("", "close")); }

}  // namespace
}  // namespace layby::http
