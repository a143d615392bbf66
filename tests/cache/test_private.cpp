// SPDX-License-Identifier: Apache-2.0
//
// Content of repositories that need an account. Another repository serves such content only if
// upstream has the content in that repository too. Here Layby has an account at ghcr.io, and no
// account at Docker Hub.

#include "cache/cache_test.h"
#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

class PrivateTest : public CacheTest {
 protected:
  void SetUp() override {
    other_is_private_ = true;
    CacheTest::SetUp();
  }

  template <typename AskerOf>
  void open_at(AskerOf& asker, const Origin& origin, const std::string& repository) {
    asker.handle = cache_->open_blob(origin, repository, digest_, asker.done());
  }
  // Stores the blob by a pull from ghcr.io/acme/tool.
  void store_private() {
    BlobAsker asker;
    open_at(asker, other(), "acme/tool");
    timers_.run();
    const auto blob = other_upstream_->only_pending();
    blob->start(0, blob_.size());
    blob->send(blob_);
    blob->end({});
    timers_.run();
    ASSERT_TRUE(store_.has_blob(digest_));
  }

  const std::string blob_ = "0123456789";
  const oci::Digest digest_ = oci::Digest::of(blob_);
  const std::string index_ = R"({"schemaVersion":2,"manifests":[]})";
};

TEST_F(PrivateTest, SameRepositoryIsServedFromTheStore) {
  store_private();
  BlobAsker again;
  open_at(again, other(), "acme/tool");
  EXPECT_TRUE(again.whole());
  EXPECT_EQ(other_upstream_->requests().size(), 1u);
}

TEST_F(PrivateTest, AnotherRepositoryIsAskedOnce) {
  store_private();
  BlobAsker first, second;
  open_at(first, other(), "acme/other");
  EXPECT_FALSE(first.answered());
  const auto head = other_upstream_->only_pending();
  EXPECT_EQ(head->kind, UpstreamKind::kBlobHead);
  EXPECT_EQ(head->repository, "acme/other");
  head->answer_blob_head(BlobHead{blob_.size()});
  EXPECT_TRUE(first.whole());
  open_at(second, other(), "acme/other");
  EXPECT_TRUE(second.whole());
  EXPECT_TRUE(other_upstream_->pending().empty());
}

TEST_F(PrivateTest, AnotherUpstreamIsAskedToo) {
  store_private();
  BlobAsker asker;
  open(asker, digest_);
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kBlobHead);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  EXPECT_EQ(asker.error(), ErrorCode::kNotFound);
}

TEST_F(PrivateTest, HeadGivesNoMoreThanGet) {
  store_private();
  Asker<BlobHead> asker;
  asker.handle = cache_->head_blob(hub(), "library/debian", digest_, asker.done());
  upstream_->only_pending()->fail(ErrorCode::kDenied);
  EXPECT_EQ(asker.error(), ErrorCode::kDenied);
}

TEST_F(PrivateTest, UnreachableUpstreamGivesNothing) {
  store_private();
  rules_.retry.max_attempts = 1;
  make_cache();
  BlobAsker asker;
  open(asker, digest_);
  upstream_->only_pending()->fail(ErrorCode::kUnavailable);
  EXPECT_EQ(asker.error(), ErrorCode::kUnavailable);
}

TEST_F(PrivateTest, FillIsNotJoinedBeforeUpstreamIsAsked) {
  BlobAsker owner, stranger;
  open_at(owner, other(), "acme/tool");
  timers_.run();
  open_at(stranger, other(), "acme/other");
  const auto waiting = other_upstream_->pending();
  ASSERT_EQ(waiting.size(), 2u);
  waiting.front()->start(0, blob_.size());
  EXPECT_TRUE(owner.reading());
  EXPECT_FALSE(stranger.answered());
  waiting.back()->answer_blob_head(BlobHead{blob_.size()});
  EXPECT_TRUE(stranger.reading());
}

TEST_F(PrivateTest, AskerMayLeaveWhileUpstreamIsAsked) {
  store_private();
  BlobAsker asker;
  open_at(asker, other(), "acme/other");
  asker.handle.reset();
  EXPECT_TRUE(other_upstream_->pending().empty());
  EXPECT_FALSE(asker.answered());
}

TEST_F(PrivateTest, ManifestByDigestIsCheckedByHead) {
  Asker<ManifestAnswer> owner, stranger;
  const oci::Digest digest = oci::Digest::of(index_);
  owner.handle = cache_->get_manifest(other(), "acme/tool", digest, false, owner.done());
  other_upstream_->answer_manifest(ManifestBody{index_, std::string(oci::kOciIndex)});
  timers_.run();
  stranger.handle = cache_->get_manifest(hub(), "library/debian", digest, false, stranger.done());
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestHead);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  EXPECT_EQ(stranger.error(), ErrorCode::kNotFound);
}

TEST_F(PrivateTest, ContentOfOpenRepositoriesIsSharedWithoutAsking) {
  store_.add_blob(blob_);
  BlobAsker asker;
  open_at(asker, other(), "acme/tool");
  EXPECT_TRUE(asker.whole());
  EXPECT_TRUE(other_upstream_->requests().empty());
}

TEST_F(PrivateTest, OfficialImagesAreNeverPrivate) {
  Origin hub{"docker.io", {"*"}, nullptr};
  hub.is_private = true;
  EXPECT_FALSE(hub.keeps_private("library/debian"));
  EXPECT_TRUE(hub.keeps_private("acme/tool"));
  hub.is_private = false;
  EXPECT_FALSE(hub.keeps_private("acme/tool"));
}

}  // namespace
}  // namespace layby::cache
