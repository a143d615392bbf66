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

// A tag that is fresh for 60 s, and usable for 30 s more.
class TagServingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    look_.checked_at = clock_.wall_now();
    look_.fresh_for = seconds(60);
    look_.stale_while_revalidate = seconds(30);
  }

  TagServing after(milliseconds age) const { return tag_serving(look_, look_.checked_at + age); }

  testing::FakeClock clock_;
  TagLook look_;
};

TEST_F(TagServingTest, FreshTagIsServedAsKnown) {
  EXPECT_EQ(after(milliseconds(59'999)), TagServing::kAsKnown);
}

TEST_F(TagServingTest, FreshTagNeedsNoUpstream) {
  look_.may_ask = false;
  look_.refused = true;
  EXPECT_EQ(after(seconds(59)), TagServing::kAsKnown);
}

TEST_F(TagServingTest, UsableTagIsServedAndChecked) {
  EXPECT_EQ(after(seconds(60)), TagServing::kAsKnownAndCheck);
  EXPECT_EQ(after(milliseconds(89'999)), TagServing::kAsKnownAndCheck);
}

TEST_F(TagServingTest, OldTagIsCheckedFirst) {
  EXPECT_EQ(after(seconds(90)), TagServing::kCheckFirst);
}

TEST_F(TagServingTest, TagIsServedAsStaleWhenUpstreamCannotBeAsked) {
  look_.may_ask = false;
  EXPECT_EQ(after(seconds(60)), TagServing::kAsStale);
  EXPECT_EQ(after(std::chrono::hours(1000)), TagServing::kAsStale);
}

TEST_F(TagServingTest, RefusedTagIsNotServedWhileItIsChecked) {
  look_.refused = true;
  EXPECT_EQ(after(seconds(60)), TagServing::kCheckFirst);
}

TEST_F(TagServingTest, TagCheckedInTheFutureIsCheckedFirst) {
  EXPECT_EQ(after(seconds(-1)), TagServing::kCheckFirst);
}

TEST_F(TagServingTest, HeldTagCountsFromItsLastLook) {
  look_.held_looked_at = look_.checked_at + seconds(1000);
  EXPECT_EQ(after(seconds(1059)), TagServing::kAsKnown);
  EXPECT_EQ(after(seconds(1060)), TagServing::kAsKnownAndCheck);
  EXPECT_EQ(after(seconds(1090)), TagServing::kCheckFirst);
}

TEST_F(TagServingTest, LongestTimesDoNotOverflow) {
  look_.fresh_for = seconds(1);
  look_.stale_while_revalidate = kForever;
  EXPECT_EQ(after(std::chrono::hours(1000)), TagServing::kAsKnownAndCheck);
  look_.fresh_for = kForever;
  EXPECT_EQ(after(std::chrono::hours(1000)), TagServing::kAsKnown);
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
