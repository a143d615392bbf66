// SPDX-License-Identifier: Apache-2.0
//
// The list of cached images, and the sums of the list.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "store/disk_store_test.h"

namespace layby::testing {
namespace {

class CatalogTest : public DiskTest {
 protected:
  static std::string blob(unsigned number) { return some_bytes(1000 * number, number); }

  const std::string config_ = "a config";
};

TEST_F(CatalogTest, AnEmptyStoreListsNoImages) {
  const cache::Catalog catalog = this->catalog();
  EXPECT_TRUE(catalog.images.empty());
  EXPECT_TRUE(catalog.waiting_pins.empty());
  EXPECT_EQ(catalog.blob_bytes, 0u);
}

TEST_F(CatalogTest, AnImageIsListedWithItsBytesAndTimes) {
  const TestManifest image = make_manifest(config_, {blob(1), blob(2)});
  for (const std::string& bytes : {config_, blob(1), blob(2)}) add_blob(bytes);
  add_manifest(image);
  add_tag("t", image.digest);
  const cache::Catalog catalog = this->catalog();
  ASSERT_EQ(catalog.images.size(), 1u);
  const cache::CachedImage& found = catalog.images[0];
  EXPECT_EQ(found.tag, key("t"));
  EXPECT_EQ(found.digest, image.digest);
  EXPECT_EQ(found.checked_at, std::chrono::floor<std::chrono::milliseconds>(time_));
  EXPECT_FALSE(found.used_at);
  EXPECT_FALSE(found.pinned);
  EXPECT_EQ(found.bytes, 3000 + config_.size());
  EXPECT_EQ(found.shared_bytes, 0u);
  EXPECT_EQ(found.missing_bytes, 0u);
  ASSERT_EQ(found.platforms.size(), 1u);
  EXPECT_EQ(found.platforms[0].platform, "");
  EXPECT_EQ(found.platforms[0].digest, image.digest);
  EXPECT_EQ(found.platforms[0].bytes, found.bytes);
  EXPECT_EQ(catalog.blob_bytes, found.bytes);
  EXPECT_EQ(catalog.untagged_bytes, 0u);
}

TEST_F(CatalogTest, SharedLayersCountForEachImageAndOnceInTheStore) {
  const TestManifest a = make_manifest("config a", {blob(1), blob(2)});
  const TestManifest b = make_manifest("config b", {blob(2), blob(3)});
  for (unsigned number : {1, 2, 3}) add_blob(blob(number));
  for (const TestManifest& manifest : {a, b}) add_manifest(manifest);
  add_tag("b", b.digest);
  add_tag("a", a.digest);
  const cache::Catalog catalog = this->catalog();
  ASSERT_EQ(catalog.images.size(), 2u);
  EXPECT_EQ(catalog.images[0].tag, key("a"));
  EXPECT_EQ(catalog.images[0].bytes, 3000u);
  EXPECT_EQ(catalog.images[0].shared_bytes, 2000u);
  EXPECT_EQ(catalog.images[0].missing_bytes, std::string("config a").size());
  EXPECT_EQ(catalog.images[1].bytes, 5000u);
  EXPECT_EQ(catalog.images[1].shared_bytes, 2000u);
  EXPECT_EQ(catalog.blob_bytes, 6000u);
  EXPECT_EQ(catalog.untagged_bytes, 0u);
}

TEST_F(CatalogTest, AnIndexListsThePlatformsWhoseManifestsAreStored) {
  const TestManifest amd64 = make_manifest(config_, {blob(1), blob(2)});
  const TestManifest arm64 = make_manifest(config_, {blob(2), blob(3), blob(3)});
  const TestManifest s390x = make_manifest(config_, {blob(4)});
  const TestManifest index = make_index({{amd64, "amd64"}, {arm64, "arm64"}, {s390x, "s390x"}});
  for (const TestManifest& manifest : {index, amd64, arm64}) add_manifest(manifest);
  for (unsigned number : {1, 2}) add_blob(blob(number));
  add_tag("t", index.digest);
  const cache::Catalog catalog = this->catalog();
  ASSERT_EQ(catalog.images.size(), 1u);
  const cache::CachedImage& image = catalog.images[0];
  EXPECT_EQ(image.digest, index.digest);
  ASSERT_EQ(image.platforms.size(), 2u);
  EXPECT_EQ(image.platforms[0].platform, "linux/amd64");
  EXPECT_EQ(image.platforms[0].bytes, 3000u);
  EXPECT_EQ(image.platforms[0].missing_bytes, config_.size());
  EXPECT_EQ(image.platforms[1].platform, "linux/arm64");
  EXPECT_EQ(image.platforms[1].bytes, 2000u);
  EXPECT_EQ(image.platforms[1].missing_bytes, 3000 + config_.size())
      << "a layer that is named twice is one blob";
  EXPECT_EQ(image.bytes, 3000u);
  EXPECT_EQ(image.missing_bytes, 3000 + config_.size());
  EXPECT_EQ(image.shared_bytes, 0u) << "platforms of one image don't count as other images";
}

TEST_F(CatalogTest, ForeignLayersCountOnlyIfTheyAreStored) {
  const TestManifest image = make_manifest(
      config_, {blob(1), blob(2)}, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
  for (const std::string& bytes : {config_, blob(1)}) add_blob(bytes);
  add_manifest(image);
  add_tag("t", image.digest);
  const cache::Catalog catalog = this->catalog();
  ASSERT_EQ(catalog.images.size(), 1u);
  EXPECT_EQ(catalog.images[0].bytes, 1000 + config_.size());
  EXPECT_EQ(catalog.images[0].missing_bytes, 0u);
  EXPECT_EQ(catalog.images[0].platforms.at(0).missing_bytes, 0u);
}

TEST_F(CatalogTest, ATagWithoutItsManifestIsNotListed) {
  add_tag("t", digest_);
  EXPECT_TRUE(catalog().images.empty());
}

TEST_F(CatalogTest, BlobsOfNoImageCountAsUntagged) {
  const TestManifest image = make_manifest(config_, {blob(1)});
  add_manifest(image);
  for (unsigned number : {1, 2}) add_blob(blob(number));
  EXPECT_EQ(catalog().untagged_bytes, 3000u);
  add_tag("t", image.digest);
  EXPECT_EQ(catalog().untagged_bytes, 2000u);
}

TEST_F(CatalogTest, AnImageWithoutATagIsListedByItsDigest) {
  const TestManifest amd64 = make_manifest(config_, {blob(1)});
  const TestManifest arm64 = make_manifest(config_, {blob(2)});
  const TestManifest index = make_index({{amd64, "amd64"}, {arm64, "arm64"}});
  const TestManifest single = make_manifest("single", {blob(3)});
  for (const TestManifest& manifest : {amd64, index, single}) add_manifest(manifest, "library/b");
  add_blob(blob(1));
  const cache::Catalog catalog = this->catalog();
  ASSERT_EQ(catalog.images.size(), 2u) << "a platform of an index isn't listed by itself";
  const bool is_first = catalog.images[0].digest == index.digest;
  const cache::CachedImage& image = catalog.images[is_first ? 0 : 1];
  EXPECT_EQ(image.tag, (cache::TagKey{"docker.io", "library/b", index.digest.str()}));
  EXPECT_EQ(image.bytes, 1000u);
  ASSERT_EQ(image.platforms.size(), 1u);
  EXPECT_EQ(image.platforms[0].platform, "linux/amd64");
  EXPECT_EQ(catalog.untagged_bytes, 0u);
}

TEST_F(CatalogTest, AnImageWithATagIsListedOnce) {
  const TestManifest image = make_manifest(config_, {blob(1)});
  add_manifest(image, "library/b");
  add_tag("t", image.digest);
  ASSERT_EQ(catalog().images.size(), 1u);
  EXPECT_EQ(catalog().images[0].tag, key("t"));
}

TEST_F(CatalogTest, AnEvictedImageIsNotListed) {
  const TestManifest image = make_manifest(config_, {blob(1)});
  add_manifest(image, "library/b");
  ASSERT_TRUE(evict_image(image.digest.str()).ok());
  EXPECT_TRUE(catalog().images.empty());
}

TEST_F(CatalogTest, APinIsListedWithItsImageOrAsWaiting) {
  const TestManifest image = make_manifest(config_, {blob(1)});
  add_manifest(image);
  add_blob(blob(1));
  add_tag("t", image.digest);
  pin("t");
  pin("later");
  pin(digest_.str());
  const cache::Catalog catalog = this->catalog();
  ASSERT_EQ(catalog.images.size(), 1u);
  EXPECT_TRUE(catalog.images[0].pinned);
  EXPECT_EQ(catalog.waiting_pins, (std::vector<cache::TagKey>{key("later"), key(digest_.str())}));
}

TEST_F(CatalogTest, AStoredPinnedDigestIsListedAsAnImage) {
  const TestManifest image = make_manifest(config_, {blob(1)});
  add_manifest(image);
  add_blob(blob(1));
  pin(image.digest.str());
  const cache::Catalog catalog = this->catalog();
  EXPECT_TRUE(catalog.waiting_pins.empty());
  ASSERT_EQ(catalog.images.size(), 1u);
  EXPECT_EQ(catalog.images[0].tag, key(image.digest.str()));
  EXPECT_TRUE(catalog.images[0].pinned);
  EXPECT_EQ(catalog.images[0].bytes, 1000u);
  EXPECT_EQ(catalog.untagged_bytes, 0u);
}

TEST_F(CatalogTest, TheLastUseIsListedBeforeAndAfterItIsWritten) {
  const TestManifest image = make_manifest(config_, {});
  add_manifest(image);
  add_tag("t", image.digest);
  harness_.clock().advance(std::chrono::hours(1));
  store().touch_manifest(image.digest);
  EXPECT_EQ(catalog().images[0].used_at, harness_.clock().wall_now());
  harness_.reopen();
  EXPECT_EQ(catalog().images[0].used_at, harness_.clock().wall_now());
}

TEST_F(CatalogTest, AManifestThatCannotBeParsedIsNotListed) {
  TestManifest strange = make_manifest(config_, {});
  strange.bytes = "not json";
  strange.digest = oci::Digest::of(strange.bytes);
  add_manifest(strange);
  add_tag("t", strange.digest);
  EXPECT_TRUE(catalog().images.empty());
}

TEST_F(CatalogTest, TotalsAreKeptAcrossRestarts) {
  harness_.counters().saved_bytes = 70;
  harness_.counters().prefetched_bytes = 30;
  harness_.close();
  harness_.counters().saved_bytes = 0;
  harness_.counters().prefetched_bytes = 0;
  harness_.open_again();
  EXPECT_EQ(counters().saved_bytes, 70u);
  EXPECT_EQ(counters().prefetched_bytes, 30u);
}

TEST_F(CatalogTest, AFirstPullIsAUseAndAPrefetchIsNone) {
  const TestManifest pulled = make_manifest("config", {"layer"});
  const TestManifest prefetched = make_manifest("other config", {"layer"});
  add_manifest(pulled);
  add_manifest(prefetched);
  add_tag("a", pulled.digest);
  add_tag("b", prefetched.digest);
  store().note_first_pull(pulled.digest);
  const auto expect_used = [&] {
    const cache::Catalog found = catalog();
    ASSERT_EQ(found.images.size(), 2u);
    ASSERT_TRUE(found.images[0].used_at);
    EXPECT_LE(*found.images[0].used_at - harness_.clock().wall_now(), std::chrono::milliseconds(1));
    EXPECT_FALSE(found.images[1].used_at);
  };
  expect_used();
  harness_.reopen();
  expect_used();
}

}  // namespace
}  // namespace layby::testing
