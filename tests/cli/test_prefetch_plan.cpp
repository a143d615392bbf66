// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby prefetch --plan`, from plans that the test writes.

#include "cli/prefetch_plan.h"

#include <gtest/gtest.h>

namespace layby::cli {
namespace {

constexpr const char* kPlan = R"({
  "images": [
    {"image": "python:3.12-slim", "state": "moved", "pulls": 3, "bytes": 45000000,
     "estimated": true, "error": ""},
    {"image": "alpine:3", "state": "current", "pulls": 0, "bytes": 0, "estimated": false},
    {"image": "redis:7", "state": "new", "pulls": 2, "bytes": null, "estimated": false},
    {"image": "foo:1", "state": "failed", "pulls": 0, "bytes": null, "error": "no such tag"},
    {"image": "debian:12", "state": "incomplete", "pulls": 1, "bytes": 1200}],
  "troubles": ["ghcr.io does not answer"],
  "pulls": 6, "bytes": 45001200, "unknown_images": 1, "capacity_bytes": 50000000000,
  "list_bytes": 12000000000, "fits": true,
  "quotas": [{"upstream": "docker.io", "limit": 100, "remaining": 76, "reserve": 20,
              "window_seconds": 21600, "suffices": true, "seconds_needed": 0}]})";

class PrefetchPlanTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static PrefetchPlan plan(const std::string& json, bool with_sizes = false,
                           const Screen& screen = {}) {
    const Result<PrefetchPlan> plan = prefetch_plan(json, with_sizes, screen);
    EXPECT_TRUE(plan.ok()) << json;
    return plan ? *plan : PrefetchPlan{};
  }

  static std::string page_with(const std::string& members) {
    return plan(R"({"images": [{"image": "a:1", "state": "current"}], )" + members + "}").page;
  }

  // The sentence about one upstream's limit.
  static std::string sentence(const std::string& members) {
    const std::string page = page_with(R"("quotas": [{"upstream": "docker.io", )" + members + "}]");
    return page.substr(page.find("docker.io"));
  }
};

TEST_F(PrefetchPlanTest, SubstitutesAreNamed) {
  const std::string page = plan(R"({"images": [{"image": "a:1", "state": "new", "substitutes":
    [{"wanted": "linux/arm/v6", "taken": "linux/arm/v5"}]}]})")
                               .page;
  EXPECT_NE(page.find("a:1 has no linux/arm/v6; its clients choose linux/arm/v5, which is fetched"),
            std::string::npos)
      << page;
}

TEST_F(PrefetchPlanTest, ThePageShowsTheWholePlan) {
  EXPECT_EQ(
      plan(kPlan).page,
      "IMAGE             STATE       PULLS   TO FETCH\n"
      "python:3.12-slim  moved           3  ~ 45.0 MB\n"
      "alpine:3          current         0          -\n"
      "redis:7           new             2          ?\n"
      "foo:1             failed          0          -\n"
      "debian:12         incomplete      1     1.2 kB\n"
      "\n"
      "foo:1 failed: no such tag\n"
      "ghcr.io does not answer\n"
      "\n"
      "5 images, 6 pulls, at least 45.0 MB to fetch; the size of 1 image is not known yet\n"
      "The whole list takes 12.0 GB of the cache's 50.0 GB: the sizes known so far fit.\n"
      "docker.io allows 100 pulls in 6 h; 76 are left, 20 of them kept for people: "
      "that is enough.\n"
      "\n"
      "`layby prefetch --plan --sizes` fetches the manifests (5 pulls) to learn all sizes.\n");
}

TEST_F(PrefetchPlanTest, APlanWithSizesHasNoHint) {
  EXPECT_EQ(plan(kPlan, true).page.find("--sizes"), std::string::npos);
}

TEST_F(PrefetchPlanTest, APlanWithAllSizesKnownHasNoHint) {
  const std::string page = page_with(R"("fits": true, "list_bytes": 1, "capacity_bytes": 2)");
  EXPECT_NE(page.find("of the cache's 2 B: it fits.\n"), std::string::npos) << page;
  const std::string known = plan(R"({"images": [{"state": "new", "pulls": 2, "bytes": 5}]})").page;
  EXPECT_EQ(known.find("--sizes"), std::string::npos) << known;
}

TEST_F(PrefetchPlanTest, AFailedImageLeavesTheFitOpen) {
  const std::string fits = R"("list_bytes": 1, "capacity_bytes": 2, "fits": )";
  const std::string some = plan(R"({"images": [{"image": "a:1", "state": "current"},
      {"image": "b:1", "state": "failed", "error": "no"}], )" +
                                fits + "true}")
                               .page;
  EXPECT_NE(some.find("the sizes known so far fit.\n"), std::string::npos) << some;
  const std::string none =
      plan(R"({"images": [{"image": "b:1", "state": "failed", "error": "no"}], )" + fits + "null}")
          .page;
  EXPECT_EQ(none.find("fit"), std::string::npos) << none;
}

TEST_F(PrefetchPlanTest, AFailedImageIsNotFound) {
  EXPECT_FALSE(plan(kPlan).all_found);
  EXPECT_TRUE(plan(R"({"images": [{"state": "new"}]})").all_found);
}

TEST_F(PrefetchPlanTest, AListThatDoesNotFitSaysWhatToDo) {
  const std::string page = page_with(R"("fits": false, "list_bytes": 9, "capacity_bytes": 2)");
  EXPECT_NE(page.find("9 B of the cache's 2 B: it does not fit. Shorten it"), std::string::npos)
      << page;
}

TEST_F(PrefetchPlanTest, AnInsufficientLimitShowsTheTimeNeeded) {
  EXPECT_EQ(sentence(R"("limit": 100, "remaining": 1, "reserve": 0, "window_seconds": 21600,
                        "suffices": false, "seconds_needed": 12000)"),
            "docker.io allows 100 pulls in 6 h; 1 is left: it takes about 3 h 20 min.\n");
  EXPECT_EQ(sentence(R"("limit": 100, "remaining": 10, "reserve": 20, "suffices": false)"),
            "docker.io allows 100 pulls; 10 are left and kept for people: "
            "that is not enough.\n");
}

TEST_F(PrefetchPlanTest, UnknownFiguresOfALimitAreNamed) {
  EXPECT_EQ(sentence(R"("limit": null)"), "docker.io states no pull limit.\n");
  EXPECT_EQ(sentence(R"("limit": 100, "remaining": null, "suffices": true)"),
            "docker.io allows 100 pulls; the number left is not known: that is enough.\n");
}

TEST_F(PrefetchPlanTest, AnEmptyListSaysSo) {
  EXPECT_EQ(plan(R"({"images": []})").page, "The list names no images.\n");
}

TEST_F(PrefetchPlanTest, TextFromOutsideCantSteerTheTerminal) {
  const std::string page = plan(R"({"images": [{"image": "\u001b[2J", "state": "failed",
      "error": "\u001b[2J"}], "troubles": ["\u001b[2J", 5]})")
                               .page;
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
}

TEST_F(PrefetchPlanTest, AnotherDaemonsAnswerIsRefused) {
  EXPECT_FALSE(prefetch_plan("{}", false, {}).ok());
  EXPECT_FALSE(prefetch_plan("<html>", false, {}).ok());
}

}  // namespace
}  // namespace layby::cli
