// SPDX-License-Identifier: Apache-2.0
//
// Freshness of tags, with a fake clock.

#include "layby/policy/freshness.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace layby::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class FreshnessTest : public ::testing::Test {
 protected:
  void SetUp() override { checked_at_ = clock_.wall_now(); }
  void TearDown() override {}

  Freshness after(milliseconds age) {
    clock_.advance(age);
    return tag_freshness(checked_at_, clock_.wall_now(), seconds(60));
  }

  testing::FakeClock clock_;
  WallTime checked_at_;
};

TEST_F(FreshnessTest, TagJustCheckedIsFresh) {
  EXPECT_EQ(after(milliseconds(0)), Freshness::kFresh);
}

TEST_F(FreshnessTest, TagIsFreshUntilTheLimit) {
  EXPECT_EQ(after(milliseconds(59'999)), Freshness::kFresh);
}

TEST_F(FreshnessTest, TagIsStaleAtTheLimit) { EXPECT_EQ(after(seconds(60)), Freshness::kStale); }

TEST_F(FreshnessTest, TagCheckedInTheFutureIsStale) {
  EXPECT_EQ(after(seconds(-1)), Freshness::kStale);
}

TEST_F(FreshnessTest, LimitOfZeroMakesEveryTagStale) {
  EXPECT_EQ(tag_freshness(checked_at_, checked_at_, seconds(0)), Freshness::kStale);
}

TEST_F(FreshnessTest, LongestLimitKeepsATagFresh) {
  EXPECT_EQ(tag_freshness(WallTime{}, checked_at_, milliseconds::max()), Freshness::kFresh);
}

TEST_F(FreshnessTest, FirstRuleThatMatchesCounts) {
  const std::vector<FreshnessRule> rules = {{{"python:3.12.4*", "acme/*:v*"}, kForever},
                                            {{"*:latest", "python:*"}, seconds(10)}};
  const auto of = [&](std::string_view repository, std::string_view tag) {
    return fresh_for(rules, repository, tag, seconds(60));
  };
  EXPECT_EQ(of("library/python", "3.12.4-slim"), kForever);
  EXPECT_EQ(of("library/python", "3.12"), seconds(10));
  EXPECT_EQ(of("library/redis", "latest"), seconds(10));
  EXPECT_EQ(of("acme/tool", "v1"), kForever);
  EXPECT_EQ(of("acme/python", "3.12"), seconds(60));
  EXPECT_EQ(of("library/redis", "7"), seconds(60));
}

TEST_F(FreshnessTest, ForeverKeepsATagFresh) {
  EXPECT_EQ(tag_freshness(WallTime{}, checked_at_, kForever), Freshness::kFresh);
}

TEST_F(FreshnessTest, ImagePatternNeedsARepositoryAndATag) {
  EXPECT_EQ(image_pattern_fault("python:*-slim"), std::nullopt);
  EXPECT_EQ(image_pattern_fault("*:*"), std::nullopt);
  for (const char* pattern : {"", "python", ":latest", "python:", "a:b:c", "py thon:3"}) {
    EXPECT_NE(image_pattern_fault(pattern), std::nullopt) << pattern;
  }
  EXPECT_NE(image_pattern_fault("*@sha256:*")->find("digests"), std::string::npos);
}

}  // namespace
}  // namespace layby::policy
