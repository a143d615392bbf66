// SPDX-License-Identifier: Apache-2.0
//
// The lines of `layby prefetch` on a terminal, from looks and times that the test states.

#include "cli/prefetch_display.h"

#include <gtest/gtest.h>

#include "cli/prefetch_json.h"

namespace layby::cli {
namespace {

using Lines = std::vector<std::string>;
using std::chrono::seconds;

class PrefetchDisplayTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static PrefetchLook read(const std::string& json) {
    const Result<PrefetchLook> look = read_prefetch(json);
    EXPECT_TRUE(look.ok()) << json;
    return look ? *look : PrefetchLook{};
  }
  static Screen screen(int columns, int rows) { return {true, columns, rows}; }

  // Forty images, of which three are at work and eight failed.
  static PrefetchLook many() {
    std::string images;
    for (int i = 0; i < 40; ++i) {
      const std::string state = i < 8 ? "failed" : i < 11 ? "checking" : "waiting";
      images += (i == 0 ? "" : ",") + image_json("image:" + std::to_string(i), state, 0, 0, "x");
    }
    return read(running_json(0, 0, false, images));
  }

  PrefetchDisplay display_;
};

TEST_F(PrefetchDisplayTest, ImagesAtWorkOrFailedHaveALineAndOthersAreCounted) {
  const std::string images = image_json("alpine:3", "current") + "," +
                             image_json("python:3.12-slim", "fetching", 30'000'000, 120'000'000) +
                             "," + image_json("foo:1", "failed", 0, 0, "no such tag") + "," +
                             image_json("redis:7", "manifests") + "," +
                             image_json("debian:12", "waiting");
  display_.lines(read(running_json(0, 200'000'000, true, images)), seconds(0), screen(80, 24));
  EXPECT_EQ(display_.lines(read(running_json(50'000'000, 200'000'000, true, images)), seconds(5),
                           screen(80, 24)),
            (Lines{"python:3.12-slim  [####------------]  30.0 MB of 120 MB   fetching",
                   "foo:1             failed: no such tag", "redis:7           reading manifests",
                   "1 current, 1 failed, 1 waiting",
                   "[#####---------------] 25.0%  50.0 MB of 200 MB, 10.0 MB/s, 15s left"}));
}

TEST_F(PrefetchDisplayTest, TheReasonToWaitIsTheLastLine) {
  const PrefetchLook look = read(
      prefetch_json(R"("state": "waiting", "reason": "docker.io's pulls are used up, 3 h to go",)"
                    R"("result": "", "bytes_done": 5, "bytes_total": 10)",
                    image_json("a:1", "waiting")));
  EXPECT_EQ(display_.lines(look, seconds(0), screen(80, 24)),
            (Lines{"1 waiting", "5 B of at least 10 B",
                   "waiting: docker.io's pulls are used up, 3 h to go"}));
}

TEST_F(PrefetchDisplayTest, AShortScreenDropsFailedImagesFirst) {
  const Lines lines = display_.lines(many(), seconds(0), screen(80, 8));
  EXPECT_EQ(lines, (Lines{"image:0   failed: x", "image:1   failed: x", "image:8   checking",
                          "image:9   checking", "image:10  checking", "8 failed, 29 waiting",
                          "sizes are not known yet"}));
}

TEST_F(PrefetchDisplayTest, NoScreenGetsMoreLinesThanItHolds) {
  for (int rows = 0; rows < 60; ++rows) {
    const Lines lines = display_.lines(many(), seconds(rows), screen(80, rows));
    EXPECT_LE(lines.size(), static_cast<std::size_t>(std::max(1, rows - 1))) << rows;
    EXPECT_EQ(lines.back(), "sizes are not known yet") << rows;
  }
}

TEST_F(PrefetchDisplayTest, NoLineIsAsWideAsItsScreen) {
  const std::string images = image_json("registry.example.org/a/long/name:tag", "fetching", 1, 2) +
                             "," + image_json("b", "failed", 0, 0, std::string(300, 'x'));
  const PrefetchLook look = read(running_json(1, 2, true, images));
  for (int columns = 0; columns < 140; ++columns) {
    for (const std::string& line : display_.lines(look, seconds(columns), screen(columns, 24))) {
      EXPECT_LE(line.size(), static_cast<std::size_t>(std::max(1, columns - 1))) << line;
    }
  }
}

TEST_F(PrefetchDisplayTest, ANarrowScreenCutsNamesAndHasNoBars) {
  const std::string images =
      image_json("registry.example.org/a/long/name:tag", "fetching", 1000, 2000);
  EXPECT_EQ(
      display_.lines(read(running_json(1000, 2000, true, images)), seconds(0), screen(50, 24)),
      (Lines{"regist...ame:tag  1.0 kB of 2.0 kB    fetching", "50.0%  1.0 kB of 2.0 kB"}));
}

TEST_F(PrefetchDisplayTest, AnImageMayExceedItsStatedSize) {
  const PrefetchLook look = read(running_json(9, 2, true, image_json("a:1", "fetching", 9, 2)));
  EXPECT_EQ(display_.lines(look, seconds(0), screen(50, 24)).back(), "100.0%  9 B of 9 B");
}

}  // namespace
}  // namespace layby::cli
