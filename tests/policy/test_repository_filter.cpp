// SPDX-License-Identifier: Apache-2.0
//
// Patterns of repositories.

#include "layby/policy/repository_filter.h"

#include <gtest/gtest.h>

namespace layby::policy {
namespace {

class AccessTest : public ::testing::Test {
 protected:
  void SetUp() override { patterns_ = {"library/*", "acme/tool"}; }
  void TearDown() override {}

  std::vector<std::string> patterns_;
};

TEST_F(AccessTest, PlainPatternMatchesItself) { EXPECT_TRUE(matches_pattern("a/b", "a/b")); }

TEST_F(AccessTest, PlainPatternDoesNotMatchAPrefix) {
  EXPECT_FALSE(matches_pattern("a/b", "a/bc"));
}

TEST_F(AccessTest, PlainPatternDoesNotMatchASuffix) {
  EXPECT_FALSE(matches_pattern("a/b", "x/a/b"));
}

TEST_F(AccessTest, StarMatchesOneNamespace) {
  EXPECT_TRUE(matches_pattern("library/*", "library/debian"));
}

TEST_F(AccessTest, StarMatchesSlashes) { EXPECT_TRUE(matches_pattern("acme/*", "acme/a/b")); }

TEST_F(AccessTest, StarMatchesNoCharacters) { EXPECT_TRUE(matches_pattern("a*", "a")); }

TEST_F(AccessTest, NamespacePatternExcludesSimilarNames) {
  EXPECT_FALSE(matches_pattern("library/*", "library-evil/debian"));
}

TEST_F(AccessTest, LoneStarMatchesAll) { EXPECT_TRUE(matches_pattern("*", "a/b/c")); }

TEST_F(AccessTest, StarInTheMiddleTriesAgain) { EXPECT_TRUE(matches_pattern("a*bc", "ababc")); }

TEST_F(AccessTest, SeveralStarsMatch) {
  EXPECT_TRUE(matches_pattern("*/py*-*", "library/pypy-3-slim"));
}

TEST_F(AccessTest, RestAfterAStarMustMatch) { EXPECT_FALSE(matches_pattern("*b", "abc")); }

TEST_F(AccessTest, EmptyPatternMatchesNoName) { EXPECT_FALSE(matches_pattern("", "a")); }

TEST_F(AccessTest, ManyStarsAreMatchedQuickly) {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  EXPECT_FALSE(matches_pattern(pattern + "b", std::string(255, 'a')));
}

TEST_F(AccessTest, AnyPatternAllows) { EXPECT_TRUE(allows(patterns_, "acme/tool")); }

TEST_F(AccessTest, NoPatternDenies) { EXPECT_FALSE(allows(patterns_, "acme/other")); }

TEST_F(AccessTest, EmptyListDenies) { EXPECT_FALSE(allows({}, "library/debian")); }

}  // namespace
}  // namespace layby::policy
