// SPDX-License-Identifier: Apache-2.0
//
// The list of images as JSON.

#include "layby/admin/images.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace layby::admin {
namespace {

using Json = nlohmann::json;
using std::chrono::seconds;

class ImagesTest : public ::testing::Test {
 protected:
  cache::CachedImage image(const std::string& tag) const {
    return {{"docker.io", "library/debian", tag},
            digest_,
            now_ - seconds(30),
            now_ - seconds(12),
            true,
            false,
            300,
            100,
            50,
            {{"linux/amd64", digest_, 300, 50}}};
  }

  const WallTime now_{seconds(1'000'000)};
  const oci::Digest digest_ = oci::Digest::of("manifest");
};

TEST_F(ImagesTest, ImageHasItsNameSizesAgesAndPlatforms) {
  const cache::Catalog catalog{{image("12")}, {}, 1'000, 700};
  const Json json = Json::parse(images_json(catalog, now_));
  const Json expected = {{"image", "debian:12"},
                         {"upstream", "docker.io"},
                         {"repository", "library/debian"},
                         {"tag", "12"},
                         {"digest", digest_.str()},
                         {"checked_seconds", 30},
                         {"used_seconds", 12},
                         {"pinned", true},
                         {"listed", false},
                         {"bytes", 300},
                         {"shared_bytes", 100},
                         {"missing_bytes", 50},
                         {"platforms",
                          {{{"platform", "linux/amd64"},
                            {"digest", digest_.str()},
                            {"bytes", 300},
                            {"missing_bytes", 50}}}}};
  EXPECT_EQ(json.at("images"), Json::array({expected}));
  EXPECT_EQ(json.at("blob_bytes"), 1'000);
  EXPECT_EQ(json.at("untagged_bytes"), 700);
}

TEST_F(ImagesTest, UnusedImageHasNoAgeOfUse) {
  cache::CachedImage unused = image("12");
  unused.used_at.reset();
  const Json json = Json::parse(images_json({{unused}, {}, 0, 0}, now_));
  EXPECT_TRUE(json.at("images").at(0).at("used_seconds").is_null());
}

TEST_F(ImagesTest, ListedImageIsMarked) {
  cache::CachedImage listed = image("12");
  listed.pinned = false;
  listed.listed = true;
  const Json json = Json::parse(images_json({{listed}, {}, 0, 0}, now_));
  EXPECT_EQ(json.at("images").at(0).at("pinned"), false);
  EXPECT_EQ(json.at("images").at(0).at("listed"), true);
}

TEST_F(ImagesTest, FutureTimeHasAgeZero) {
  const Json json = Json::parse(images_json({{image("12")}, {}, 0, 0}, now_ - seconds(3'600)));
  EXPECT_EQ(json.at("images").at(0).at("checked_seconds"), 0);
}

TEST_F(ImagesTest, PinsThatWaitForTheirImageAreListed) {
  const cache::Catalog catalog{{}, {{"ghcr.io", "acme/tool", "1"}}, 0, 0};
  const Json json = Json::parse(images_json(catalog, now_));
  EXPECT_EQ(json.at("pins"), Json::parse(R"([{"image": "ghcr.io/acme/tool:1", "cached": false}])"));
}

TEST_F(ImagesTest, PinnedDigestIsPartOfTheName) {
  EXPECT_EQ(image_name({"docker.io", "library/debian", digest_.str()}), "debian@" + digest_.str());
}

}  // namespace
}  // namespace layby::admin
