// SPDX-License-Identifier: Apache-2.0
//
// Entity tags: weak comparison for If-None-Match, strong for If-Range.

#include "layby/http/conditional.h"

#include <gtest/gtest.h>

namespace layby::http {
namespace {

class ConditionalTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static constexpr std::string_view kEtag = "\"sha256:abc\"";
};

TEST_F(ConditionalTest, SameTagHits) { EXPECT_TRUE(none_match_hits("\"sha256:abc\"", kEtag)); }

TEST_F(ConditionalTest, OtherTagDoesNotHit) {
  EXPECT_FALSE(none_match_hits("\"sha256:def\"", kEtag));
}

TEST_F(ConditionalTest, WeakTagHits) { EXPECT_TRUE(none_match_hits("W/\"sha256:abc\"", kEtag)); }

TEST_F(ConditionalTest, StarHits) { EXPECT_TRUE(none_match_hits(" * ", kEtag)); }

TEST_F(ConditionalTest, StarInAListDoesNotHit) { EXPECT_FALSE(none_match_hits("\"x\", *", kEtag)); }

TEST_F(ConditionalTest, OneOfSeveralHits) {
  EXPECT_TRUE(none_match_hits("\"a\",W/\"b\" , \"sha256:abc\"", kEtag));
}

TEST_F(ConditionalTest, CommaInsideATagBelongsToIt) {
  EXPECT_FALSE(none_match_hits("\"x,sha256:abc\"", kEtag));
}

TEST_F(ConditionalTest, BareDigestHits) { EXPECT_TRUE(none_match_hits("sha256:abc", kEtag)); }

TEST_F(ConditionalTest, BareDigestInAListHits) {
  EXPECT_TRUE(none_match_hits("sha256:def, sha256:abc", kEtag));
}

TEST_F(ConditionalTest, UnclosedQuoteDoesNotHit) {
  EXPECT_FALSE(none_match_hits("\"sha256:abc", kEtag));
}

TEST_F(ConditionalTest, EmptyValueDoesNotHit) { EXPECT_FALSE(none_match_hits("", kEtag)); }

TEST_F(ConditionalTest, EmptyListMembersAreSkipped) {
  EXPECT_TRUE(none_match_hits(",, ,\"sha256:abc\"", kEtag));
}

TEST_F(ConditionalTest, IfRangeHoldsForTheSameTag) {
  EXPECT_TRUE(if_range_holds(" \"sha256:abc\" ", kEtag));
}

TEST_F(ConditionalTest, IfRangeFailsForAnotherTag) {
  EXPECT_FALSE(if_range_holds("\"sha256:def\"", kEtag));
}

TEST_F(ConditionalTest, IfRangeFailsForAWeakTag) {
  EXPECT_FALSE(if_range_holds("W/\"sha256:abc\"", kEtag));
}

TEST_F(ConditionalTest, IfRangeFailsWhenOurOwnTagIsWeak) {
  EXPECT_FALSE(if_range_holds("W/\"a\"", "W/\"a\""));
}

TEST_F(ConditionalTest, IfRangeFailsForADate) {
  EXPECT_FALSE(if_range_holds("Sun, 06 Nov 1994 08:49:37 GMT", kEtag));
}

TEST_F(ConditionalTest, IfRangeFailsForNothing) { EXPECT_FALSE(if_range_holds("", kEtag)); }

}  // namespace
}  // namespace layby::http
