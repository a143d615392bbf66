// SPDX-License-Identifier: Apache-2.0
//
// When few pulls are left, a run fetches one image after the other. The pull limit of one
// upstream doesn't stop the images of another upstream.

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "cache/cache_test.h"
#include "support/store_image.h"

namespace layby::cache {
namespace {

using testing::TestManifest;

// More images than a run checks in kRenewal.
constexpr std::size_t kImages = 12;

// A limit of 100 pulls in six hours gives one pull back in this time.
constexpr seconds kRenewal{216};

struct TestImage {
  TestManifest manifest;
  TestManifest index;
};

TestImage make_image(const std::string& name) {
  const auto manifest = testing::make_manifest("config of " + name, {"layer of " + name});
  return {manifest, testing::make_index({{manifest, "amd64"}})};
}

class PrefetchTurnsTest : public CacheTest {
 protected:
  void SetUp() override {
    CacheTest::SetUp();
    for (std::size_t i = 0; i < kImages; ++i) images_.push_back(make_image(std::to_string(i)));
  }

  static PrefetchImage listed(const Origin& origin, const std::string& repository,
                              const std::string& tag) {
    PrefetchImage image;
    image.origin = &origin;
    image.repository = repository;
    image.tags.push_back(*policy::TagPattern::parse(tag));
    image.choice.platforms.push_back(*oci::parse_platform("linux/amd64"));
    return image;
  }
  // Starts a run with kImages images of Docker Hub, and one image of another registry.
  void start() {
    PrefetchList list;
    for (std::size_t i = 0; i < kImages; ++i) {
      list.images.push_back(listed(hub(), "library/debian", std::to_string(i)));
    }
    list.images.push_back(listed(other(), "acme/tool", "0"));
    cache_->prefetcher().set_list(std::move(list));
    cache_->prefetcher().start();
    timers_.run();
  }
  void set_left(std::uint64_t pulls) {
    upstream_->set_quota(policy::QuotaState{
        {100, seconds(21'600)}, {pulls, seconds(21'600)}, "192.0.2.1", clock_.wall_now()});
  }

  // Answers tag checks until none is pending.
  void answer_checks(testing::FakeUpstream& upstream) {
    for (bool any = true; std::exchange(any, false);) {
      for (const auto& request : upstream.pending()) {
        if (request->kind != UpstreamKind::kManifestHead) continue;
        const TestManifest& index = images_[std::stoul(request->reference)].index;
        request->answer_manifest_head(
            ManifestHead{index.digest, index.media_type, index.bytes.size()});
        any = true;
      }
      timers_.run();
    }
  }
  static std::vector<std::string> manifests_asked_for(const testing::FakeUpstream& upstream) {
    std::vector<std::string> references;
    for (const auto& request : upstream.requests()) {
      if (request->kind == UpstreamKind::kManifestGet) references.push_back(request->reference);
    }
    return references;
  }
  void answer_manifest(const TestManifest& manifest) {
    for (const auto& request : upstream_->pending()) {
      if (request->kind != UpstreamKind::kManifestGet) continue;
      ASSERT_EQ(request->reference, manifest.digest.str());
      request->answer_manifest(ManifestBody{manifest.bytes, manifest.media_type});
    }
    timers_.run();
  }

  const TestManifest& find(const std::string& digest) const {
    for (const TestImage& image : images_) {
      if (image.index.digest.str() == digest) return image.index;
      if (image.manifest.digest.str() == digest) return image.manifest;
    }
    ADD_FAILURE() << "no manifest " << digest;
    return images_[0].index;
  }
  void answer_manifests() {
    for (bool any = true; std::exchange(any, false);) {
      for (const auto& request : upstream_->pending()) {
        if (request->kind != UpstreamKind::kManifestGet) continue;
        const TestManifest& manifest = find(request->reference);
        request->answer_manifest(ManifestBody{manifest.bytes, manifest.media_type});
        any = true;
      }
      timers_.run();
    }
  }

  std::vector<TestImage> images_;
};

TEST_F(PrefetchTurnsTest, UsedUpLimitDoesNotStopAnotherUpstream) {
  set_left(0);
  start();
  answer_checks(*upstream_);
  answer_checks(*other_upstream_);
  EXPECT_TRUE(manifests_asked_for(*upstream_).empty());
  EXPECT_EQ(manifests_asked_for(*other_upstream_),
            std::vector<std::string>{images_[0].index.digest.str()});
}

TEST_F(PrefetchTurnsTest, ImagesAreFetchedOneByOneWhilePullsAreFew) {
  set_left(30);  // 20 pulls are for people; the last quarter of the other 80 is paced.
  start();
  answer_checks(*upstream_);
  for (const TestImage& image : {images_[0], images_[1]}) {
    for (const TestManifest& manifest : {image.index, image.manifest}) {
      EXPECT_EQ(manifests_asked_for(*upstream_).back(), manifest.digest.str());
      answer_manifest(manifest);
      timers_.advance(kRenewal);
      answer_checks(*upstream_);
    }
  }
}

TEST_F(PrefetchTurnsTest, MissingImageLeavesItsTurnToTheNext) {
  set_left(30);
  start();
  answer_checks(*upstream_);
  answer_manifest(images_[0].index);
  timers_.advance(kRenewal);
  upstream_->fail(Error{ErrorCode::kNotFound, "it is gone"});
  answer_checks(*upstream_);
  EXPECT_EQ(manifests_asked_for(*upstream_).back(), images_[1].index.digest.str());
}

TEST_F(PrefetchTurnsTest, TagsOfOneImageCostItsPullsOnce) {
  images_[1] = images_[0];
  images_[3] = images_[0];
  start();
  answer_checks(*upstream_);
  answer_manifests();
  EXPECT_EQ(manifests_asked_for(*upstream_).size(), 2 * (kImages - 2));
  EXPECT_EQ(cache_->prefetcher().report().pulls_spent, 2 * (kImages - 2));
}

}  // namespace
}  // namespace layby::cache
