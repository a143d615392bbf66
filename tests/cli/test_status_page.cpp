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

TEST_F(StatusPageTest, ACheckOfTheStoreIsShownWhileItRunsAndAfter) {
  const std::string store = R"({"store": {"blob_bytes": 200}, "scrub": {"checked_bytes": 50, )";
  EXPECT_TRUE(shows(page(store + R"("running": true, "bad_blobs": 1, "last_pass_seconds": null}})"),
                    "25.0% of the running check, 1 bad"));
  EXPECT_TRUE(shows(page(store + R"("running": false, "bad_blobs": 0, "last_pass_seconds": 9}})"),
                    "all stored blobs were checked, 0 bad"));
  EXPECT_FALSE(shows(page(store + R"("running": false, "last_pass_seconds": null}})"), "check "));
}

TEST_F(StatusPageTest, AFullStoreSaysWhatThatMeans) {
  const std::string text = page(R"({"store": {"full": true, "evicted_bytes": 2000000000}})");
  EXPECT_TRUE(shows(text, "pass through without being stored")) << text;
  EXPECT_TRUE(shows(text, "2.0 GB evicted")) << text;
  EXPECT_FALSE(shows(page(R"({"store": {"full": false}})"), "pass through"));
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
  EXPECT_TRUE(shows(page(R"({"upstreams": [{}, 3], "fills": [{}], "cache": 5})"), "so far"));
}

TEST_F(StatusPageTest, TextFromOutsideCantSteerTheTerminal) {
  const std::string text = page(R"({"fills": [{"repository": "\u001b[2J"}]})");
  EXPECT_FALSE(shows(text, "\x1b"));
}

TEST_F(StatusPageTest, WhatIsNoJsonIsRefused) {
  EXPECT_FALSE(status_page("<html>", {}).ok());
  EXPECT_FALSE(status_page("[1]", {}).ok());
}

}  // namespace
}  // namespace layby::cli
