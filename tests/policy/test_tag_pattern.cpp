// SPDX-License-Identifier: Apache-2.0
//
// Tests whether exact tags, globs and version ranges match the tags of official images.

#include "layby/policy/tag_pattern.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace layby::policy {
namespace {

class TagPatternTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static std::vector<std::string> matching(std::string_view pattern,
                                           const std::vector<std::string>& tags) {
    const auto parsed = TagPattern::parse(pattern);
    EXPECT_TRUE(parsed.ok()) << pattern;
    std::vector<std::string> found;
    for (const std::string& tag : tags) {
      if (parsed.ok() && parsed->matches(tag)) found.push_back(tag);
    }
    return found;
  }

  static std::string fault_of(std::string_view pattern) {
    const auto parsed = TagPattern::parse(pattern);
    return parsed.ok() ? "" : parsed.error().message;
  }

  const std::vector<std::string> python_ = {"latest",
                                            "3",
                                            "3-slim",
                                            "3.11",
                                            "3.12",
                                            "3.12-slim",
                                            "3.12-alpine",
                                            "3.12-alpine3.20",
                                            "3.12-slim-bookworm",
                                            "3.12.4",
                                            "3.12.4-slim",
                                            "3.13",
                                            "3.13-slim",
                                            "3.14",
                                            "3.14-rc",
                                            "3.14-rc-slim",
                                            "3.14.0rc1",
                                            "3.14.0a2-slim",
                                            "3.9",
                                            "slim"};
};

using Tags = std::vector<std::string>;

TEST_F(TagPatternTest, PlainTagMatchesOnlyItself) {
  EXPECT_EQ(matching("3.12", python_), (Tags{"3.12"}));
  EXPECT_EQ(TagPattern::parse("3.12")->exact(), "3.12");
}

TEST_F(TagPatternTest, StarMatchesAnyCharacters) {
  EXPECT_EQ(matching("3.12-*", python_),
            (Tags{"3.12-slim", "3.12-alpine", "3.12-alpine3.20", "3.12-slim-bookworm"}));
  EXPECT_EQ(TagPattern::parse("3.12-*")->exact(), std::nullopt);
  EXPECT_EQ(matching("*", python_), python_);
}

TEST_F(TagPatternTest, RangeMatchesNoVariantByDefault) {
  EXPECT_EQ(matching(">=3.12 <3.14", python_), (Tags{"3.12", "3.13"}));
}

TEST_F(TagPatternTest, RangeWithAVariantMatchesOnlyThatVariant) {
  EXPECT_EQ(matching(">=3.12 <3.14 -slim", python_), (Tags{"3.12-slim", "3.13-slim"}));
}

TEST_F(TagPatternTest, VariantMayHaveAStar) {
  EXPECT_EQ(matching(">=3.12 -alpine*", python_), (Tags{"3.12-alpine", "3.12-alpine3.20"}));
  EXPECT_EQ(matching("=3.12 -*", python_),
            (Tags{"3.12", "3.12-slim", "3.12-alpine", "3.12-alpine3.20", "3.12-slim-bookworm"}));
}

TEST_F(TagPatternTest, RangeIsAsPreciseAsItIsWritten) {
  EXPECT_EQ(matching(">=3", python_), (Tags{"3"}));
  EXPECT_EQ(matching(">=3.12.0 -*", python_), (Tags{"3.12.4", "3.12.4-slim"}));
  EXPECT_EQ(matching(">=3.12.0 <4", python_), (Tags{"3.12.4"}));
}

TEST_F(TagPatternTest, NumbersAreComparedAsNumbers) {
  EXPECT_EQ(matching("<3.11", python_), (Tags{"3.9"}));
  EXPECT_EQ(matching("<=3.11", python_), (Tags{"3.11", "3.9"}));
  EXPECT_EQ(matching(">3.13", python_), (Tags{"3.14"}));
}

TEST_F(TagPatternTest, PrereleasesMatchNoRange) {
  EXPECT_EQ(matching(">=3.14 -*", python_), (Tags{"3.14"}));
  EXPECT_EQ(matching(">=3.14.0 -*", python_), (Tags{}));
  EXPECT_EQ(matching(">=1.0 -*", {"1.0-devel", "1.0-dev", "1.0-beta.2", "1.0-rc2-alpine"}),
            (Tags{"1.0-devel"}));
}

TEST_F(TagPatternTest, LeadingVIsIgnored) {
  EXPECT_EQ(matching(">=1.2", {"v1.3", "1.3", "w1.3"}), (Tags{"v1.3", "1.3"}));
}

TEST_F(TagPatternTest, NumbersAbove64BitsMatchNothing) {
  EXPECT_EQ(matching(">=1", {"99999999999999999999999", "18446744073709551615"}),
            (Tags{"18446744073709551615"}));
}

TEST_F(TagPatternTest, MoreThanFourNumbersMatchNothing) {
  EXPECT_EQ(matching(">=1.2.3.4", {"1.2.3.4.5", "1.2.3.5", "1.2."}), (Tags{"1.2.3.5"}));
}

TEST_F(TagPatternTest, FaultsSayWhatToWrite) {
  EXPECT_NE(fault_of("").find("is empty"), std::string::npos);
  EXPECT_NE(fault_of(">= 3.12").find("no space after the sign"), std::string::npos);
  EXPECT_NE(fault_of(">=3.12 slim").find("\"slim\""), std::string::npos);
  EXPECT_NE(fault_of(">=3.12 -slim <4").find("after the variant"), std::string::npos);
  EXPECT_NE(fault_of(" -slim").find("no version to compare"), std::string::npos);
  EXPECT_NE(fault_of(">=3.12 -").find("not a variant"), std::string::npos);
  EXPECT_NE(fault_of(">=3.x").find("\">=3.x\""), std::string::npos);
  EXPECT_NE(fault_of("a/b").find("neither a tag"), std::string::npos);
  EXPECT_NE(fault_of("-slim").find("neither a tag"), std::string::npos);
  EXPECT_NE(fault_of(std::string(129, 'a')).find("neither a tag"), std::string::npos);
}

}  // namespace
}  // namespace layby::policy
