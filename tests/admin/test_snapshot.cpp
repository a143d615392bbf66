// SPDX-License-Identifier: Apache-2.0
//
// /stats and /metrics of a snapshot that the test fills.

#include "layby/admin/snapshot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

namespace layby::admin {
namespace {

using Json = nlohmann::json;

class SnapshotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    snapshot_.version = "1.2.3";
    snapshot_.uptime = std::chrono::seconds(90);
    snapshot_.listen = "0.0.0.0:5000";
    snapshot_.store.blobs = 7;
    UpstreamState hub;
    hub.name = "docker.io";
    hub.url = "https://registry-1.docker.io";
    const std::chrono::seconds window(21600);
    hub.quota = policy::QuotaState{{100, window}, {76, window}, "", {}};
    UpstreamState other;
    other.name = "ghcr.io";
    other.url = "https://ghcr.io";
    other.registry.link = policy::Breaker::State::kOpen;
    other.registry.link_since = std::chrono::seconds(40);
    snapshot_.upstreams = {hub, other};
    snapshot_.counters = &counters_;
  }
  void TearDown() override {}

  Json stats() const { return Json::parse(stats_json(snapshot_)); }

  // The lines of /metrics that are samples.
  std::vector<std::string> samples() const {
    std::istringstream text(metrics_text(snapshot_));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) {
      if (!line.starts_with('#')) lines.push_back(line);
    }
    return lines;
  }

  bool has_sample(const std::string& sample) const {
    const std::vector<std::string> all = samples();
    return std::find(all.begin(), all.end(), sample) != all.end();
  }

  // Adds a move of debian:12, 100 s after the epoch.
  void add_move() {
    const auto digest = [](char c) { return *oci::Digest::parse("sha256:" + std::string(64, c)); };
    snapshot_.moves.push_back({{"docker.io", "library/debian", "12"},
                               digest('a'),
                               digest('b'),
                               WallTime(std::chrono::seconds(100)),
                               {}});
  }

  // The text of docs/stats.md from `title` to the next title; empty if `title` is missing.
  static std::string section(const std::string& title) {
    const std::string all = stats_reference();
    const std::size_t from = all.find("\n## " + title + "\n");
    if (from == std::string::npos) return "";
    return all.substr(from, all.find("\n## ", from + 1) - from);
  }
  // Expects a row in `text` for each member of `object` and of the objects nested in `object`.
  static void expect_rows(const std::string& text, const Json& object,
                          const std::string& prefix = "") {
    for (const auto& [name, value] : object.items()) {
      if (value.is_object()) {
        expect_rows(text, value, prefix + name + ".");
        continue;
      }
      const std::string row = "\n| `" + prefix + name + "` | ";
      EXPECT_NE(text.find(row), std::string::npos) << prefix << name << " is not described";
    }
  }

  Counters counters_;
  Snapshot snapshot_;
};

TEST_F(SnapshotTest, StatsDescribeTheDaemon) {
  const Json json = stats();
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["uptime_seconds"], 90);
  EXPECT_EQ(json["store"]["blobs"], 7);
  EXPECT_EQ(json["fills"], Json::array());
}

TEST_F(SnapshotTest, SharedRequestsCountAsHitsInTheRatio) {
  counters_.blob_hits = 5;
  counters_.manifest_shared = 2;
  counters_.blob_misses = 1;
  EXPECT_DOUBLE_EQ(stats()["cache"]["hit_ratio"].get<double>(), 0.875);
}

TEST_F(SnapshotTest, HitRatioIsNullBeforeTheFirstRequest) {
  EXPECT_TRUE(stats()["cache"]["hit_ratio"].is_null());
  EXPECT_EQ(metrics_text(snapshot_).find("\nlayby_cache_hit_ratio "), std::string::npos);
}

TEST_F(SnapshotTest, APrefetchTakesNothingFromTheSavedBytes) {
  counters_.saved_bytes = 250;
  counters_.upstream_bytes = 1000;
  counters_.prefetched_bytes = 1000;
  EXPECT_EQ(stats()["cache"]["bytes_saved"], 250);
  EXPECT_EQ(stats()["cache"]["bytes_prefetched"], 1000);
}

TEST_F(SnapshotTest, UpstreamsCarryTheirQuota) {
  const Json upstreams = stats()["upstreams"];
  EXPECT_EQ(upstreams[0]["quota"],
            (Json{{"limit", 100}, {"remaining", 76}, {"window_seconds", 21600}}));
  EXPECT_TRUE(upstreams[1]["quota"]["limit"].is_null());
  EXPECT_EQ(upstreams[1]["reachable"], false);
  EXPECT_EQ(upstreams[1]["link"], "down");
  EXPECT_EQ(upstreams[1]["link_seconds"], 40);
}

TEST_F(SnapshotTest, FillsCarryTheirProgress) {
  snapshot_.fills.push_back({"docker.io", "library/x", "sha256:ab", "streaming", 5, 10, 3});
  snapshot_.fills.push_back({"docker.io", "library/y", "sha256:cd", "starting", 0, {}, 1});
  const Json fills = stats()["fills"];
  EXPECT_EQ(fills[0]["received_bytes"], 5);
  EXPECT_EQ(fills[0]["size_bytes"], 10);
  EXPECT_EQ(fills[0]["readers"], 3);
  EXPECT_TRUE(fills[1]["size_bytes"].is_null());
}

TEST_F(SnapshotTest, AParentHasItsOwnLink) {
  snapshot_.upstreams[0].parent.emplace().link = policy::Breaker::State::kDoubtful;
  const Json upstreams = stats()["upstreams"];
  EXPECT_EQ(upstreams[0]["link"], "up");
  EXPECT_EQ(upstreams[0]["parent_link"], "doubtful");
  EXPECT_TRUE(upstreams[1]["parent_link"].is_null());
}

TEST_F(SnapshotTest, MovesCarryTheirAge) {
  add_move();
  snapshot_.now = WallTime(std::chrono::seconds(130));
  EXPECT_EQ(stats()["moves"][0], (Json{{"image", "debian:12"},
                                       {"from", "sha256:" + std::string(64, 'a')},
                                       {"to", "sha256:" + std::string(64, 'b')},
                                       {"bytes", nullptr},
                                       {"seconds_ago", 30}}));
}

TEST_F(SnapshotTest, AMoveInTheFutureHasAgeZero) {
  add_move();
  snapshot_.now = WallTime(std::chrono::seconds(10));
  EXPECT_EQ(stats()["moves"][0]["seconds_ago"], 0);
}

TEST_F(SnapshotTest, StatsHaveEveryCounterByName) {
  counters_.cold_reads = 42;
  const Json json = stats();
  EXPECT_EQ(json["counters"]["cold_reads"], 42);
  std::size_t count = 0;
  for_each_counter(counters_, [&](const char* name, const char*, const char*, std::uint64_t) {
    ++count;
    EXPECT_TRUE(json["counters"].contains(name)) << name;
  });
  EXPECT_EQ(json["counters"].size(), count);
}

TEST_F(SnapshotTest, TextThatIsNotUtf8KeepsThePageValid) {
  snapshot_.fills.push_back({"docker.io", "\xff\xfe", "sha256:ab", "streaming", 5, 10, 3});
  EXPECT_TRUE(Json::accept(stats_json(snapshot_)));
}

TEST_F(SnapshotTest, EverySampleIsWellFormedAndTyped) {
  snapshot_.upstreams[0].name = "a\"b\\c\nd";
  const std::regex shape(
      R"re(([a-z_]+)(\{[a-z]+="([^"\\\n]|\\["\\n])*"\})? [0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?)re");
  const std::string text = metrics_text(snapshot_);
  std::set<std::string> names;
  for (const std::string& line : samples()) {
    std::smatch match;
    ASSERT_TRUE(std::regex_match(line, match, shape)) << line;
    names.insert(match[1]);
  }
  for (const std::string& name : names) {
    EXPECT_NE(text.find("# HELP " + name + " "), std::string::npos) << name;
    EXPECT_NE(text.find("# TYPE " + name + " "), std::string::npos) << name;
  }
  EXPECT_TRUE(text.ends_with('\n'));
}

TEST_F(SnapshotTest, CountersAndGaugesHaveTheirNames) {
  counters_.blob_misses = 2;
  EXPECT_TRUE(has_sample("layby_blob_misses_total 2"));
  EXPECT_TRUE(has_sample("layby_store_blobs 7"));
  EXPECT_TRUE(has_sample("layby_upstream_quota_remaining{upstream=\"docker.io\"} 76"));
  EXPECT_TRUE(has_sample("layby_upstream_reachable{upstream=\"ghcr.io\"} 0"));
  EXPECT_TRUE(has_sample("layby_info{version=\"1.2.3\"} 1"));
}

TEST_F(SnapshotTest, ReferenceDescribesEveryKeyOfStats) {
  snapshot_.fills.push_back({"docker.io", "library/x", "sha256:ab", "streaming", 5, 10, 3});
  add_move();
  Json root = stats();
  EXPECT_NE(section("`notices`"), "");
  root.erase("notices");
  expect_rows(section("`counters`"), root["counters"]);
  root.erase("counters");
  for (const char* list : {"upstreams", "fills", "moves"}) {
    expect_rows(section("Each of `" + std::string(list) + "`"), root[list][0]);
    root.erase(list);
  }
  expect_rows(section("The daemon"), root);
}

TEST_F(SnapshotTest, DocsMatchTheReference) {
  std::ifstream file(LAYBY_SOURCE_DIR "/docs/stats.md");
  const std::string docs{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(docs, stats_reference())
      << "run: build/release/layby status --reference > docs/stats.md";
}

}  // namespace
}  // namespace layby::admin
