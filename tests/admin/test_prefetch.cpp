// SPDX-License-Identifier: Apache-2.0
//
// The answers to `layby prefetch`: the run, and the plan with its costs.

#include "layby/admin/prefetch.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace layby::admin {
namespace {

using cache::PrefetchState;
using cache::PrefetchTag;
using Json = nlohmann::json;
using std::chrono::seconds;

class PrefetchJsonTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static PrefetchTag tag(const std::string& name, PrefetchState state) {
    PrefetchTag tag;
    tag.tag = {"docker.io", "library/python", name};
    tag.state = state;
    tag.now = new_;
    return tag;
  }
  static PrefetchTag sized(PrefetchTag tag, std::uint64_t bytes) {
    tag.bytes_known = true;
    tag.bytes_total = bytes;
    return tag;
  }
  Json plan(const std::vector<PlannedQuota>& quotas = {}) const {
    return Json::parse(plan_json(report_, quotas));
  }

  static inline const oci::Digest old_ = oci::Digest::of("old");
  static inline const oci::Digest new_ = oci::Digest::of("new");
  cache::PrefetchReport report_;
};

TEST_F(PrefetchJsonTest, RunIsReportedWithItsImages) {
  PrefetchStatus status;
  status.list = "/l.json";
  status.state = "running";
  status.run = 3;
  status.next_run = seconds(7);
  status.faults = {{5, "images[0].tags", "is empty"}};
  status.report.tags = {sized(tag("3.13", PrefetchState::kFetching), 100)};
  status.report.tags.front().bytes_done = 40;
  status.report.tags.front().substitutes = {{"linux/arm/v6", "linux/arm/v5"}};
  status.report.bytes_total = 100;
  status.report.pulls_spent = 2;
  const Json json = Json::parse(prefetch_json(status));
  EXPECT_EQ(json["state"], "running");
  EXPECT_EQ(json["run"], 3);
  EXPECT_EQ(json["next_run_seconds"], 7);
  EXPECT_EQ(json["faults"][0]["line"], 5);
  EXPECT_EQ(json["bytes_known"], true);
  EXPECT_EQ(json["pulls"], 2);
  EXPECT_EQ(json["images"][0]["image"], "python:3.13");
  EXPECT_EQ(json["images"][0]["state"], "fetching");
  EXPECT_EQ(json["images"][0]["bytes_done"], 40);
  EXPECT_EQ(json["images"][0]["substitutes"],
            Json::parse(R"([{"wanted": "linux/arm/v6", "taken": "linux/arm/v5"}])"));
}

TEST_F(PrefetchJsonTest, BytesAreUnknownUntilEveryImageIsSized) {
  PrefetchStatus status;
  status.report.tags = {sized(tag("3.13", PrefetchState::kFetching), 100),
                        tag("3.12", PrefetchState::kManifests)};
  const Json json = Json::parse(prefetch_json(status));
  EXPECT_EQ(json["bytes_known"], false);
  EXPECT_TRUE(json["next_run_seconds"].is_null());
}

TEST_F(PrefetchJsonTest, PlanShowsWhatEachImageNeeds) {
  PrefetchTag current = sized(tag("a", PrefetchState::kCurrent), 0);
  current.before = new_;
  PrefetchTag moved = tag("b", PrefetchState::kManifests);
  moved.before = old_;
  moved.before_bytes = 500;
  moved.pulls = 2;
  PrefetchTag fresh = tag("c", PrefetchState::kManifests);
  fresh.pulls = 2;
  PrefetchTag incomplete = sized(tag("d", PrefetchState::kFetching), 30);
  incomplete.before = new_;
  PrefetchTag failed = tag("e", PrefetchState::kFailed);
  failed.error = "no such tag";
  report_.tags = {current, moved, fresh, incomplete, failed};
  report_.bytes_total = 30;
  const Json json = plan();
  const auto state = [&](int i) { return json["images"][i]["state"]; };
  EXPECT_EQ(state(0), "current");
  EXPECT_EQ(state(1), "moved");
  EXPECT_EQ(state(2), "new");
  EXPECT_EQ(state(3), "incomplete");
  EXPECT_EQ(state(4), "failed");
  EXPECT_EQ(json["images"][1]["bytes"], 500);
  EXPECT_EQ(json["images"][1]["estimated"], true);
  EXPECT_TRUE(json["images"][2]["bytes"].is_null());
  EXPECT_EQ(json["pulls"], 4);
  EXPECT_EQ(json["bytes"], 530);
  EXPECT_EQ(json["unknown_images"], 1);
}

TEST_F(PrefetchJsonTest, TagThatMovedToACachedImageIsMoved) {
  PrefetchTag moved = sized(tag("a", PrefetchState::kCurrent), 0);
  moved.before = old_;
  report_.tags = {moved};
  EXPECT_EQ(plan()["images"][0]["state"], "moved");
}

TEST_F(PrefetchJsonTest, PlanSaysWhetherItFits) {
  report_.capacity_bytes = 100;
  report_.list_bytes = 100;
  EXPECT_EQ(plan()["fits"], true);
  report_.list_bytes = 101;
  EXPECT_EQ(plan()["fits"], false);
}

TEST_F(PrefetchJsonTest, APlanWhoseEveryImageFailedDoesNotSayWhetherItFits) {
  report_.capacity_bytes = 100;
  report_.tags = {tag("a", PrefetchState::kFailed), tag("b", PrefetchState::kFailed)};
  EXPECT_TRUE(plan()["fits"].is_null());
  report_.tags.push_back(sized(tag("c", PrefetchState::kFetching), 1));
  EXPECT_EQ(plan()["fits"], true);
}

TEST_F(PrefetchJsonTest, PlanSaysWhetherTheQuotaSuffices) {
  PrefetchTag many = tag("a", PrefetchState::kManifests);
  many.pulls = 50;
  report_.tags = {many};
  policy::QuotaState quota{{100, seconds(21600)}, {76, seconds(21600)}, "", {}};
  const Json enough = plan({{"docker.io", quota, {20, 0}}})["quotas"][0];
  EXPECT_EQ(enough["reserve"], 20);
  EXPECT_EQ(enough["suffices"], true);
  quota.remaining.count = 30;
  const Json short_of = plan({{"docker.io", quota, {20, 0}}})["quotas"][0];
  EXPECT_EQ(short_of["suffices"], false);
  EXPECT_GT(short_of["seconds_needed"], 0);
  EXPECT_TRUE(plan({{"docker.io", std::nullopt, {}}})["quotas"].empty());
}

}  // namespace
}  // namespace layby::admin
