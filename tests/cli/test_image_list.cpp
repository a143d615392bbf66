// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby ls`, from answers that the test writes.

#include "cli/image_list.h"

#include <gtest/gtest.h>

namespace layby::cli {
namespace {

constexpr const char* kImages = R"({
  "images": [
    {"image": "python:3.13-slim", "checked_seconds": 90, "used_seconds": null, "pinned": false,
     "bytes": 75000000, "shared_bytes": 28200000, "missing_bytes": 25000000,
     "platforms": [{"platform": "linux/amd64"}]},
    {"image": "debian:12", "checked_seconds": 30, "used_seconds": 10800, "pinned": true,
     "bytes": 97000000, "shared_bytes": 28200000, "missing_bytes": 0,
     "platforms": [{"platform": "linux/amd64"}, {"platform": "linux/arm64/v8"}]},
    {"image": "ghcr.io/acme/tool:1", "checked_seconds": 172800, "used_seconds": 12,
     "pinned": true, "bytes": 1000, "shared_bytes": 0, "missing_bytes": 1,
     "platforms": [{"platform": "windows/amd64"}]}],
  "pins": [{"image": "redis:7", "cached": false}, {"image": "alpine:3", "cached": false}],
  "blob_bytes": 155801000, "untagged_bytes": 12000000})";

class ImageListTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static std::string page(const std::string& images, const std::string& pattern = "",
                          const Screen& screen = {}) {
    const Result<std::string> page = image_list(images, pattern, screen);
    return page ? *page : page.error().message;
  }
  static bool shows(const std::string& page, const std::string& text) {
    return page.find(text) != std::string::npos;
  }
};

TEST_F(ImageListTest, ImagesAreSortedByName) {
  EXPECT_EQ(
      page(kImages),
      "IMAGE                PLATFORMS           SIZE   SHARED   USED  CHECKED  NOTES\n"
      "debian:12            amd64, arm64/v8  97.0 MB  28.2 MB    3 h     30 s  pinned\n"
      "ghcr.io/acme/tool:1  windows/amd64     1.0 kB      0 B   12 s      2 d  pinned, 99% cached\n"
      "python:3.13-slim     amd64            75.0 MB  28.2 MB  never    1 min  75% cached\n"
      "\n"
      "3 images, 156 MB stored, shared layers counted once (saves 28.2 MB); untagged 12.0 MB\n"
      "\n"
      "Pinned, not cached yet:\n"
      "  alpine:3\n"
      "  redis:7\n");
}

TEST_F(ImageListTest, ImagesOfThePrefetchListAreNoted) {
  const std::string text = page(R"({"images": [
    {"image": "a:1", "listed": true},
    {"image": "b:1", "pinned": true, "listed": true, "bytes": 1, "missing_bytes": 1}]})");
  EXPECT_TRUE(shows(text, "  -  listed\n")) << text;
  EXPECT_TRUE(shows(text, "  -  pinned, listed, 50% cached\n")) << text;
}

TEST_F(ImageListTest, APatternMatchesPartOfAName) {
  const std::string text = page(kImages, "acme");
  EXPECT_TRUE(shows(text, "ghcr.io/acme/tool:1")) << text;
  EXPECT_FALSE(shows(text, "debian")) << text;
  EXPECT_FALSE(shows(text, "redis")) << text;
  EXPECT_TRUE(shows(text, "\n1 of 3 images, 156 MB stored in all")) << text;
}

TEST_F(ImageListTest, APatternWithAStarMatchesTheWholeName) {
  const std::string text = page(kImages, "*:3*");
  EXPECT_TRUE(shows(text, "python:3.13-slim")) << text;
  EXPECT_TRUE(shows(text, "alpine:3")) << text;
  EXPECT_FALSE(shows(text, "debian")) << text;
  EXPECT_TRUE(shows(page(kImages, "ebian*"), "No cached image matches \"ebian*\".")) << text;
}

TEST_F(ImageListTest, AnEmptyCacheSaysHowToFillIt) {
  const std::string text = page(R"({"images": [], "pins": [{"image": "redis:7"}]})");
  EXPECT_TRUE(shows(text, "No images are cached yet.")) << text;
  EXPECT_TRUE(shows(text, "docker pull debian:12")) << text;
  EXPECT_TRUE(shows(text, "not cached yet:\n  redis:7\n")) << text;
}

TEST_F(ImageListTest, ANarrowTerminalKeepsNameSizeAndNotes) {
  const std::string text = page(kImages, "python", {true, 50});
  EXPECT_TRUE(shows(text, "\x1b[1mIMAGE             PLATFORMS     SIZE  NOTES\x1b[0m\n")) << text;
  EXPECT_TRUE(shows(text, "python:3.13-slim  amd64      75.0 MB  75% cached\n")) << text;
}

TEST_F(ImageListTest, MissingFiguresLeaveGaps) {
  const std::string text = page(R"({"images": [{}, 3], "pins": 5})");
  EXPECT_TRUE(shows(text, "-      -           0 B     0 B  never        -\n")) << text;
  EXPECT_TRUE(shows(text, "2 images, 0 B stored\n")) << text;
}

TEST_F(ImageListTest, OneImageIsCountedInTheSingular) {
  EXPECT_TRUE(shows(page(R"({"images": [{"image": "a:1"}]})"), "\n1 image, 0 B stored\n"));
}

TEST_F(ImageListTest, TextFromOutsideCantSteerTheTerminal) {
  const std::string text = page(
      R"({"images": [{"image": "\u001b[2J", "platforms": [{"platform": "\u001b[3J"}]}],
          "pins": [{"image": "\u001b[4J"}]})");
  EXPECT_FALSE(shows(text, "\x1b")) << text;
  EXPECT_FALSE(shows(page(kImages, "\x1b[2J"), "\x1b"));
}

TEST_F(ImageListTest, NonJsonIsRefused) {
  EXPECT_FALSE(image_list("<html>", "", {}).ok());
  EXPECT_FALSE(image_list("[1]", "", {}).ok());
}

}  // namespace
}  // namespace layby::cli
