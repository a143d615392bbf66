// SPDX-License-Identifier: Apache-2.0
//
// Manifests by digest come from the store, or from one verified GET. All askers share the GET
// until the manifest is stored.

#include "cache/cache_test.h"
#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

class ManifestsTest : public CacheTest {
 protected:
  void answer(const std::string& bytes) {
    upstream_->answer_manifest(ManifestBody{bytes, std::string(oci::kOciIndex)});
  }

  const std::string bytes_ = R"({"schemaVersion":2,"manifests":[]})";
  const oci::Digest digest_ = oci::Digest::of(bytes_);
};

TEST_F(ManifestsTest, StoredManifestIsServedAtOnce) {
  store_.add_manifest(bytes_, std::string(oci::kOciIndex));
  Asker<ManifestAnswer> asker;
  get(asker, digest_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.handle, nullptr);
  EXPECT_EQ(asker.value().digest, digest_);
  EXPECT_EQ(asker.value().media_type, oci::kOciIndex);
  EXPECT_EQ(asker.value().size_bytes, bytes_.size());
  EXPECT_EQ(*asker.value().bytes, bytes_);
  EXPECT_EQ(asker.value().source, ManifestSource::kHit);
  EXPECT_EQ(asker.value().age, std::nullopt);
  EXPECT_EQ(counters_.manifest_hits, 1u);
  EXPECT_TRUE(upstream_->requests().empty());
}

TEST_F(ManifestsTest, DamagedManifestIsNotServedButReplaced) {
  auto damaged = std::make_shared<const std::string>(R"({"schemaVersion":3,"manifests":[]})");
  store_.put_manifest(digest_, {damaged, std::string(oci::kOciIndex)}, nullptr);
  timers_.run();
  Asker<ManifestAnswer> asker, late;
  get(asker, digest_);
  answer(bytes_);
  timers_.run();
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(*asker.value().bytes, bytes_);
  get(late, digest_);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(*late.value().bytes, bytes_);
  EXPECT_EQ(late.value().source, ManifestSource::kHit);
  EXPECT_EQ(counters_.digest_mismatches, 1u);
}

TEST_F(ManifestsTest, UnknownManifestIsFetchedByDigest) {
  Asker<ManifestAnswer> asker;
  get(asker, digest_);
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestGet);
  EXPECT_EQ(upstream_->only_pending()->repository, "library/debian");
  EXPECT_EQ(upstream_->only_pending()->reference, digest_.str());
  answer(bytes_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(*asker.value().bytes, bytes_);
  EXPECT_EQ(asker.value().source, ManifestSource::kFetched);
  EXPECT_EQ(counters_.manifest_misses, 1u);
}

TEST_F(ManifestsTest, FetchedManifestIsStored) {
  Asker<ManifestAnswer> asker, late;
  get(asker, digest_);
  answer(bytes_);
  timers_.run();
  get(late, digest_);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(late.value().source, ManifestSource::kHit);
  EXPECT_EQ(late.value().media_type, oci::kOciIndex);
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

TEST_F(ManifestsTest, AskersShareOneFetch) {
  Asker<ManifestAnswer> first, second, third;
  get(first, digest_);
  get(second, digest_);
  head(third, digest_);
  answer(bytes_);
  EXPECT_TRUE(first.ok());
  EXPECT_TRUE(second.ok());
  EXPECT_TRUE(third.ok());
  EXPECT_EQ(upstream_->requests().size(), 1u);
  EXPECT_EQ(counters_.manifest_misses, 1u);
  EXPECT_EQ(counters_.manifest_shared, 2u);
}

TEST_F(ManifestsTest, AskerDuringStoringNeedsNoSecondFetch) {
  store_.hold(Step::kPutManifest);
  Asker<ManifestAnswer> first, late;
  get(first, digest_);
  answer(bytes_);
  timers_.run();
  get(late, digest_);
  EXPECT_TRUE(late.ok());
  EXPECT_EQ(late.handle, nullptr);
  EXPECT_EQ(upstream_->requests().size(), 1u);
  EXPECT_EQ(counters_.manifest_shared, 1u);
}

TEST_F(ManifestsTest, OthersAreAnsweredWhenTheFirstAskerLeaves) {
  Asker<ManifestAnswer> first, second;
  get(first, digest_);
  get(second, digest_);
  first.handle.reset();
  answer(bytes_);
  EXPECT_FALSE(first.answered());
  EXPECT_TRUE(second.ok());
}

TEST_F(ManifestsTest, ManifestIsStoredThoughAllAskersLeft) {
  Asker<ManifestAnswer> asker;
  get(asker, digest_);
  asker.handle.reset();
  answer(bytes_);
  timers_.run();
  EXPECT_TRUE(store_.has_manifest(digest_));
}

TEST_F(ManifestsTest, WrongBytesAreFetchedAgain) {
  Asker<ManifestAnswer> asker;
  get(asker, digest_);
  answer("{}");
  EXPECT_FALSE(asker.answered());
  timers_.advance(rules_.retry.max_delay);
  answer(bytes_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(*asker.value().bytes, bytes_);
  EXPECT_EQ(counters_.digest_mismatches, 1u);
}

TEST_F(ManifestsTest, WrongBytesAreNeverServed) {
  Asker<ManifestAnswer> asker;
  get(asker, digest_);
  for (int i = 0; i < rules_.retry.max_attempts; ++i) {
    answer("{}");
    timers_.advance(rules_.retry.max_delay);
  }
  EXPECT_EQ(asker.error(), ErrorCode::kCorrupt);
  EXPECT_FALSE(store_.has_manifest(digest_));
  EXPECT_FALSE(store_.has_manifest(oci::Digest::of("{}")));
  EXPECT_EQ(counters_.digest_mismatches, 4u);
}

TEST_F(ManifestsTest, NextAskerAfterAFailureFetchesAgain) {
  rules_.retry.max_attempts = 1;
  make_cache();
  Asker<ManifestAnswer> first, second;
  get(first, digest_);
  upstream_->only_pending()->fail(ErrorCode::kUnavailable);
  EXPECT_EQ(first.error(), ErrorCode::kUnavailable);
  get(second, digest_);
  answer(bytes_);
  EXPECT_TRUE(second.ok());
}

TEST_F(ManifestsTest, AskerMayAskAgainInsideItsError) {
  rules_.retry.max_attempts = 1;
  make_cache();
  Asker<ManifestAnswer> first, second;
  get(first, digest_);
  first.then = [&] { get(second, digest_); };
  upstream_->only_pending()->fail(ErrorCode::kUnavailable);
  timers_.run();
  answer(bytes_);
  EXPECT_TRUE(second.ok());
}

TEST_F(ManifestsTest, AskerMayDropItsHandleInsideTheAnswer) {
  Asker<ManifestAnswer> first, second;
  get(first, digest_);
  get(second, digest_);
  first.then = [&] {
    first.handle.reset();
    second.handle.reset();
  };
  answer(bytes_);
  EXPECT_TRUE(first.ok());
  EXPECT_FALSE(second.answered());
}

TEST_F(ManifestsTest, ManifestThatCannotBeStoredIsServed) {
  store_.fail(Step::kPutManifest, {ErrorCode::kNoSpace, "full"});
  Asker<ManifestAnswer> asker;
  get(asker, digest_);
  answer(bytes_);
  timers_.run();
  EXPECT_TRUE(asker.ok());
  EXPECT_FALSE(store_.has_manifest(digest_));
}

TEST_F(ManifestsTest, ManifestThatWasNotStoredIsFetchedAgain) {
  store_.fail(Step::kPutManifest, {ErrorCode::kNoSpace, "full"});
  Asker<ManifestAnswer> first, second;
  get(first, digest_);
  answer(bytes_);
  timers_.run();
  get(second, digest_);
  answer(bytes_);
  timers_.run();
  EXPECT_TRUE(second.ok());
  EXPECT_TRUE(store_.has_manifest(digest_));
}

TEST_F(ManifestsTest, Sha512DigestIsVerified) {
  const oci::Digest digest = oci::Digest::of(bytes_, ShaKind::kSha512);
  Asker<ManifestAnswer> asker;
  get(asker, digest);
  answer(bytes_);
  timers_.run();
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, digest);
  EXPECT_TRUE(store_.has_manifest(digest));
}

TEST_F(ManifestsTest, BytesWithTheRightDigestAreServedThoughTheyAreNotAManifest) {
  Asker<ManifestAnswer> asker;
  get(asker, oci::Digest::of("not json"));
  upstream_->answer_manifest(ManifestBody{"not json", "application/x-thing"});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().media_type, "application/x-thing");
}

TEST_F(ManifestsTest, CacheMayBeDestroyedDuringAFetch) {
  Asker<ManifestAnswer> asker;
  get(asker, digest_);
  cache_.reset();
  timers_.run();
  EXPECT_FALSE(asker.answered());
}

TEST_F(ManifestsTest, CacheMayBeDestroyedWhileAManifestIsStored) {
  store_.hold(Step::kPutManifest);
  Asker<ManifestAnswer> asker;
  get(asker, digest_);
  answer(bytes_);
  cache_.reset();
  store_.release(Step::kPutManifest);
  timers_.run();
  EXPECT_TRUE(asker.ok());
  EXPECT_TRUE(store_.has_manifest(digest_));
}

}  // namespace
}  // namespace layby::cache
