// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby status`, from stats that the test writes.

#include "cli/status_page.h"

#include <gtest/gtest.h>

namespace layby::cli {
namespace {

constexpr const char* kStats = R"({
  "version": "1.2.3", "listen": "0.0.0.0:5000", "uptime_seconds": 93600,
  "cache": {"hits": 30, "misses": 10, "shared": 0, "hit_ratio": 0.75, "bytes_saved": 41200000000},
  "upstreams": [{"name": "docker.io", "url": "https://r", "reachable": false,
                 "quota": {"limit": 100, "remaining": 25, "window_seconds": 21600}}],
  "store": {"blobs": 3, "disk_free_bytes": 25, "disk_total_bytes": 100},
  "fills": [{"repository": "library/x", "digest": "sha256:0123456789abcdef", "state": "streaming",
             "received_bytes": 50, "size_bytes": 100, "readers": 1}]})";

class StatusPageTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static std::string page(const std::string& stats, bool is_terminal = false, int columns = 80) {
    const Result<std::string> page = status_page(stats, {is_terminal, columns});
    return page ? *page : page.error().message;
  }
  static bool shows(const std::string& page, const std::string& text) {
    return page.find(text) != std::string::npos;
  }
};

TEST_F(StatusPageTest, FiguresAreShownForPeople) {
  const std::string text = page(kStats);
  EXPECT_TRUE(shows(text, "Layby 1.2.3 on 0.0.0.0:5000, up 1d 2h")) << text;
  EXPECT_TRUE(shows(text, "75.0%")) << text;
  EXPECT_TRUE(shows(text, "41.2 GB")) << text;
  EXPECT_TRUE(shows(text, "25 of 100 in 6h")) << text;
  EXPECT_TRUE(shows(text, "docker.io - not reachable")) << text;
  EXPECT_TRUE(shows(text, "library/x  sha256:0123456789ab\n")) << text;
  EXPECT_TRUE(shows(text, "50.0%  50 B of 100 B, streaming, 1 client\n")) << text;
}

TEST_F(StatusPageTest, ACheckOfTheStoreIsShownDuringAndAfterTheCheck) {
  const std::string store = R"({"store": {"blob_bytes": 200}, "scrub": {"checked_bytes": 50, )";
  EXPECT_TRUE(shows(page(store + R"("running": true, "bad_blobs": 1, "last_pass_seconds": null}})"),
                    "25.0% of the running check, 1 bad"));
  EXPECT_TRUE(shows(page(store + R"("running": false, "bad_blobs": 0, "last_pass_seconds": 9}})"),
                    "all stored blobs were checked, 0 bad"));
  EXPECT_FALSE(shows(page(store + R"("running": false, "last_pass_seconds": null}})"), "check "));
}

TEST_F(StatusPageTest, AFullStoreExplainsTheConsequence) {
  const std::string text = page(R"({"store": {"full": true, "evicted_bytes": 2000000000}})");
  EXPECT_TRUE(shows(text, "pass through without being stored")) << text;
  EXPECT_TRUE(shows(text, "2.0 GB evicted")) << text;
  EXPECT_FALSE(shows(page(R"({"store": {"full": false}})"), "pass through"));
}

TEST_F(StatusPageTest, PrefetchingIsShown) {
  const std::string text = page(R"({"prefetch": {"state": "waiting", "reason": "until 02:00",
      "result": "failed", "next_run_seconds": 12000, "images": 12, "failed": 1,
      "bytes_total": 4000, "bytes_done": 1000, "trouble": "no tag matches 9.*"}})");
  EXPECT_TRUE(shows(text,
                    "\nPrefetch\n"
                    "  state         waiting: until 02:00\n"
                    "  images        12, 1 failed\n"
                    "  fetched       1.0 kB of 4.0 kB\n"
                    "  trouble       no tag matches 9.*\n"
                    "  last run      failed\n"
                    "  next run      in 3 h 20 min\n"))
      << text;
}

TEST_F(StatusPageTest, DisabledPrefetchingIsOneLine) {
  const std::string text =
      page(R"({"prefetch": {"state": "off", "reason": "there is no list", "result": "",
               "next_run_seconds": null, "images": 0, "failed": 0}})");
  EXPECT_TRUE(shows(text, "\nPrefetch\n  state         off: there is no list\n\nStore\n")) << text;
}

TEST_F(StatusPageTest, NoticesComeFirst) {
  const std::string text = page(R"({"notices": ["layby.json has mistakes", "  line 3"]})");
  EXPECT_TRUE(shows(text, "\nNeeds attention\n  layby.json has mistakes\n    line 3\n\nCache\n"))
      << text;
}

TEST_F(StatusPageTest, TheLatestMovesAreShown) {
  std::string moves = R"({"image": "python:3.12", "seconds_ago": 7200, "bytes": 45000000},
                         {"image": "alpine:3", "seconds_ago": 60, "bytes": null})";
  for (int i = 0; i < 4; ++i) moves += R"(, {"image": "old:1", "seconds_ago": 999999})";
  const std::string text = page(R"({"moves": [)" + moves + "]}");
  EXPECT_TRUE(shows(text,
                    "\nMoved tags\n"
                    "  alpine:3  1 min ago\n"
                    "  python:3.12  2 h ago, 45.0 MB new\n"
                    "  old:1  11 d ago\n"
                    "  old:1  11 d ago\n"
                    "  old:1  11 d ago\n"
                    "\nStore\n"))
      << text;
}

TEST_F(StatusPageTest, AnUpstreamShowsTheTroubleOfItsLink) {
  const auto upstream = [](const std::string& members) {
    return page(R"({"upstreams": [{"name": "docker.io", )" + members + "}]}");
  };
  EXPECT_TRUE(shows(upstream(R"("link": "down", "link_seconds": 180, "throttled_seconds": 40)"),
                    "  link          down for 3 min, throttled for 40 s\n"));
  EXPECT_TRUE(shows(upstream(R"("link": "doubtful", "link_seconds": 9)"), "doubtful for 9 s\n"));
  EXPECT_TRUE(shows(upstream(R"("link": "up", "throttled_seconds": 40)"),
                    "  link          throttled for 40 s\n"));
  EXPECT_FALSE(
      shows(upstream(R"("link": "up", "link_seconds": 9, "throttled_seconds": 0)"), "link "));
}

TEST_F(StatusPageTest, AnOlderDaemonHasNoPrefetchSections) {
  const std::string text = page(kStats);
  EXPECT_FALSE(shows(text, "Prefetch")) << text;
  EXPECT_FALSE(shows(text, "Moved tags")) << text;
  EXPECT_FALSE(shows(text, "  link ")) << text;
}

TEST_F(StatusPageTest, BarsAreForTerminalsOnly) {
  EXPECT_TRUE(shows(page(kStats, true, 40), "[#####-----] 50.0%"));
  const std::string plain = page(kStats);
  EXPECT_FALSE(shows(plain, "[#"));
  EXPECT_FALSE(shows(plain, "\x1b"));
}

TEST_F(StatusPageTest, MissingFiguresLeaveGaps) {
  const std::string text = page("{}");
  EXPECT_TRUE(shows(text, "nothing was pulled yet")) << text;
  EXPECT_TRUE(shows(page(R"({"upstreams": [{}, 3], "fills": [{}], "cache": 5,
                          "prefetch": {}, "moves": [{}, 3]})"),
                    "so far"));
}

TEST_F(StatusPageTest, TextFromOutsideCantSteerTheTerminal) {
  const std::string text = page(R"({"fills": [{"repository": "\u001b[2J"}]})");
  EXPECT_FALSE(shows(text, "\x1b"));
}

TEST_F(StatusPageTest, NonJsonIsRefused) {
  EXPECT_FALSE(status_page("<html>", {}).ok());
  EXPECT_FALSE(status_page("[1]", {}).ok());
}

}  // namespace
}  // namespace layby::cli
