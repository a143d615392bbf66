// SPDX-License-Identifier: Apache-2.0
//
// Manifests by tag: a fresh tag is served from the cache, an older tag after a HEAD, and a moved
// tag after a fetch. When upstream fails, the cached manifest is served with its age. The test
// sets the clock; a tag is fresh for a minute.

#include "cache/cache_test.h"
#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

class TagsTest : public CacheTest {
 protected:
  void SetUp() override {
    CacheTest::SetUp();
    first_check_ = clock_.wall_now();
  }

  // Stores `old_` under a tag that was checked `ago` before now.
  void cache_old(std::chrono::seconds ago) {
    store_.add_manifest(old_, std::string(oci::kOciIndex));
    store_.add_tag(key_, {old_digest_, clock_.wall_now() - ago});
  }
  void answer_head(const oci::Digest& digest) {
    upstream_->answer_manifest_head(ManifestHead{digest, std::string(oci::kOciIndex), new_.size()});
  }
  void answer_body(const std::string& bytes) {
    upstream_->answer_manifest(ManifestBody{bytes, std::string(oci::kOciIndex)});
  }
  UpstreamKind asked() const { return upstream_->only_pending()->kind; }
  StoredTag indexed() { return *store_.find_tag(key_); }

  // Checks the tag, whose digest is still `old_digest_`.
  void check_unchanged() {
    Asker<ManifestAnswer> asker;
    get(asker, tag_);
    answer_head(old_digest_);
    EXPECT_TRUE(asker.ok());
    timers_.run();
  }
  // Asks for the tag. Upstream fails with `code`.
  void check_failing(Asker<ManifestAnswer>& asker, ErrorCode code) {
    get(asker, tag_);
    upstream_->only_pending()->fail(code);
  }
  void expect_old(const Asker<ManifestAnswer>& asker, ManifestSource source) const {
    ASSERT_TRUE(asker.ok());
    EXPECT_EQ(asker.value().digest, old_digest_);
    EXPECT_EQ(*asker.value().bytes, old_);
    EXPECT_EQ(asker.value().source, source);
  }

  const oci::Tag tag_ = "bookworm";
  const TagKey key_{"docker.io", "library/debian", tag_};
  const std::string old_ = R"({"schemaVersion":2,"manifests":[]})";
  const std::string new_ = R"({"schemaVersion":2,"manifests":[ ]})";
  const oci::Digest old_digest_ = oci::Digest::of(old_);
  const oci::Digest new_digest_ = oci::Digest::of(new_);
  WallTime first_check_;
};

TEST_F(TagsTest, FreshTagIsServedWithoutACheck) {
  cache_old(seconds(59));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  expect_old(asker, ManifestSource::kHit);
  EXPECT_EQ(asker.value().age, seconds(59));
  EXPECT_TRUE(upstream_->requests().empty());
  EXPECT_EQ(counters_.manifest_hits, 1u);
}

TEST_F(TagsTest, OldTagIsCheckedByHead) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  EXPECT_EQ(asked(), UpstreamKind::kManifestHead);
  EXPECT_EQ(upstream_->only_pending()->reference, tag_);
  EXPECT_EQ(counters_.tag_revalidations, 1u);
}

TEST_F(TagsTest, UnchangedTagIsServedFromTheStore) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  answer_head(old_digest_);
  expect_old(asker, ManifestSource::kChecked);
  EXPECT_EQ(asker.value().age, seconds(0));
  EXPECT_EQ(upstream_->requests().size(), 1u);
  EXPECT_EQ(counters_.manifest_hits, 1u);
}

TEST_F(TagsTest, UnchangedTagIsFreshAgain) {
  cache_old(seconds(60));
  check_unchanged();
  clock_.advance(seconds(59));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  expect_old(asker, ManifestSource::kHit);
  EXPECT_EQ(asker.value().age, seconds(59));
}

TEST_F(TagsTest, AskersShareOneCheck) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> first, second, third;
  get(first, tag_);
  get(second, tag_);
  head(third, tag_);
  answer_head(old_digest_);
  for (const auto* asker : {&first, &second, &third}) expect_old(*asker, ManifestSource::kChecked);
  EXPECT_EQ(upstream_->requests().size(), 1u);
  EXPECT_EQ(counters_.tag_revalidations, 1u);
}

TEST_F(TagsTest, TagsOfDifferentRepositoriesAreCheckedSeparately) {
  Asker<ManifestAnswer> first, second;
  get(first, tag_);
  second.handle = cache_->get_manifest(hub(), "library/python", tag_, false, second.done());
  EXPECT_EQ(upstream_->pending().size(), 2u);
}

TEST_F(TagsTest, SameTagOfAnotherUpstreamIsAnotherTag) {
  cache_old(seconds(0));
  Asker<ManifestAnswer> asker;
  asker.handle = cache_->get_manifest(other(), "library/debian", tag_, false, asker.done());
  EXPECT_EQ(other_upstream_->only_pending()->kind, UpstreamKind::kManifestHead);
}

TEST_F(TagsTest, OthersAreAnsweredWhenTheFirstAskerLeaves) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> first, second;
  get(first, tag_);
  get(second, tag_);
  first.handle.reset();
  answer_head(old_digest_);
  EXPECT_FALSE(first.answered());
  expect_old(second, ManifestSource::kChecked);
}

TEST_F(TagsTest, CheckOfACachedTagHasAShortTimeout) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  EXPECT_EQ(upstream_->only_pending()->deadline, rules_.revalidate_timeout);
}

TEST_F(TagsTest, CheckOfAnUnknownTagHasTheFullTimeout) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  EXPECT_EQ(upstream_->only_pending()->deadline, rules_.request_timeout);
}

TEST_F(TagsTest, MovedTagIsFetchedByItsNewDigest) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  answer_head(new_digest_);
  EXPECT_EQ(asked(), UpstreamKind::kManifestGet);
  EXPECT_EQ(upstream_->only_pending()->reference, new_digest_.str());
  answer_body(new_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, new_digest_);
  EXPECT_EQ(asker.value().source, ManifestSource::kFetched);
  EXPECT_EQ(asker.value().age, seconds(0));
  EXPECT_EQ(counters_.manifest_misses, 1u);
}

TEST_F(TagsTest, MovedTagIsWrittenAfterItsManifestIsStored) {
  cache_old(seconds(60));
  store_.hold(Step::kPutManifest);
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  answer_head(new_digest_);
  answer_body(new_);
  timers_.run();
  EXPECT_EQ(indexed().digest, old_digest_);
  store_.release(Step::kPutManifest);
  timers_.run();
  EXPECT_EQ(indexed().digest, new_digest_);
  EXPECT_EQ(indexed().checked_at, clock_.wall_now());
  EXPECT_EQ(counters_.tag_moves, 1u);
}

TEST_F(TagsTest, TagDoesNotMoveWhenItsManifestCannotBeStored) {
  cache_old(seconds(60));
  store_.fail(Step::kPutManifest, {ErrorCode::kNoSpace, "full"});
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  answer_head(new_digest_);
  answer_body(new_);
  timers_.run();
  EXPECT_EQ(asker.value().digest, new_digest_);
  EXPECT_EQ(indexed().digest, old_digest_);
  EXPECT_EQ(counters_.tag_moves, 1u);
}

TEST_F(TagsTest, MoveToAStoredManifestNeedsNoFetch) {
  cache_old(seconds(60));
  store_.add_manifest(new_, std::string(oci::kOciIndex));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  answer_head(new_digest_);
  timers_.run();
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, new_digest_);
  EXPECT_EQ(asker.value().source, ManifestSource::kChecked);
  EXPECT_EQ(indexed().digest, new_digest_);
  EXPECT_EQ(counters_.tag_moves, 1u);
}

TEST_F(TagsTest, UnknownTagIsFetchedAndThenKnown) {
  Asker<ManifestAnswer> first, second;
  get(first, tag_);
  answer_head(new_digest_);
  answer_body(new_);
  timers_.run();
  get(second, tag_);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second.value().source, ManifestSource::kHit);
  EXPECT_EQ(counters_.tag_moves, 0u);
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), 1u);
}

TEST_F(TagsTest, TwoTagsOfOneManifestShareItsFetch) {
  Asker<ManifestAnswer> first, second;
  get(first, tag_);
  answer_head(new_digest_);
  get(second, oci::Tag("12"));
  upstream_->pending().back()->answer_manifest_head(
      ManifestHead{new_digest_, std::string(oci::kOciIndex), new_.size()});
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), 1u);
  answer_body(new_);
  timers_.run();
  EXPECT_TRUE(first.ok());
  EXPECT_TRUE(second.ok());
  EXPECT_EQ(store_.list_tags("docker.io", "library/debian"),
            (std::vector<std::string>{"12", tag_}));
}

TEST_F(TagsTest, TagOfAManifestBeingStoredNeedsNoSecondFetch) {
  store_.hold(Step::kPutManifest);
  Asker<ManifestAnswer> by_digest, by_tag;
  get(by_digest, new_digest_);
  answer_body(new_);
  get(by_tag, tag_);
  answer_head(new_digest_);
  EXPECT_TRUE(by_tag.ok());
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), 1u);
  store_.release(Step::kPutManifest);
  timers_.run();
  EXPECT_EQ(indexed().digest, new_digest_);
}

TEST_F(TagsTest, EvictedManifestOfAFreshTagIsCheckedAndFetched) {
  store_.add_tag(key_, {new_digest_, clock_.wall_now()});
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  answer_head(new_digest_);
  answer_body(new_);
  EXPECT_TRUE(asker.ok());
  EXPECT_EQ(counters_.tag_moves, 0u);
}

TEST_F(TagsTest, HeadIsAnsweredFromUpstreamsHead) {
  Asker<ManifestAnswer> asker;
  head(asker, tag_);
  answer_head(new_digest_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, new_digest_);
  EXPECT_EQ(asker.value().media_type, oci::kOciIndex);
  EXPECT_EQ(asker.value().size_bytes, new_.size());
  EXPECT_EQ(asker.value().bytes, nullptr);
  EXPECT_EQ(asker.value().source, ManifestSource::kFetched);
}

TEST_F(TagsTest, ManifestIsFetchedAfterAnAnsweredHead) {
  Asker<ManifestAnswer> asker, late;
  head(asker, tag_);
  answer_head(new_digest_);
  EXPECT_EQ(asked(), UpstreamKind::kManifestGet);
  answer_body(new_);
  timers_.run();
  EXPECT_EQ(indexed().digest, new_digest_);
  get(late, tag_);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(late.value().source, ManifestSource::kHit);
}

TEST_F(TagsTest, HeadAfterAnAnsweredHeadIsAnsweredAtOnce) {
  Asker<ManifestAnswer> first, late;
  head(first, tag_);
  answer_head(new_digest_);
  head(late, tag_);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(late.handle, nullptr);
  EXPECT_EQ(late.value().digest, new_digest_);
}

TEST_F(TagsTest, GetAfterAnAnsweredHeadWaitsForTheFetch) {
  Asker<ManifestAnswer> first, late;
  head(first, tag_);
  answer_head(new_digest_);
  get(late, tag_);
  EXPECT_FALSE(late.answered());
  answer_body(new_);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(*late.value().bytes, new_);
  EXPECT_EQ(upstream_->requests().size(), 2u);
}

TEST_F(TagsTest, HeadWithoutASizeWaitsForTheManifest) {
  Asker<ManifestAnswer> asker;
  head(asker, tag_);
  upstream_->answer_manifest_head(
      ManifestHead{new_digest_, std::string(oci::kOciIndex), std::nullopt});
  EXPECT_FALSE(asker.answered());
  answer_body(new_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().size_bytes, new_.size());
}

TEST_F(TagsTest, HeadWithoutADigestIsFollowedByAFetchByTag) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->answer_manifest_head(ManifestHead{});
  EXPECT_EQ(asked(), UpstreamKind::kManifestGet);
  EXPECT_EQ(upstream_->only_pending()->reference, tag_);
  answer_body(new_);
  timers_.run();
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, new_digest_);
  EXPECT_EQ(indexed().digest, new_digest_);
}

TEST_F(TagsTest, FetchByTagRefusesBytesThatAreNotAManifest) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->answer_manifest_head(ManifestHead{});
  upstream_->answer_manifest(ManifestBody{"<html>log in</html>", "text/html"});
  EXPECT_TRUE(asker.answered());
  EXPECT_FALSE(asker.ok());
  EXPECT_FALSE(store_.has_manifest(oci::Digest::of("<html>log in</html>")));
}

class TagFailureTest : public TagsTest, public ::testing::WithParamInterface<ErrorCode> {};

TEST_P(TagFailureTest, CachedTagIsServedWithItsAge) {
  cache_old(seconds(3600));
  Asker<ManifestAnswer> asker;
  check_failing(asker, GetParam());
  expect_old(asker, ManifestSource::kStale);
  EXPECT_EQ(asker.value().age, seconds(3600));
  EXPECT_EQ(upstream_->requests().size(), 1u);
  EXPECT_EQ(counters_.stale_served, 1u);
  EXPECT_EQ(counters_.manifest_hits, 1u);
}

TEST_P(TagFailureTest, UnknownTagFailsAfterItsRetries) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  while (!upstream_->pending().empty()) {
    upstream_->only_pending()->fail(GetParam());
    timers_.advance(rules_.retry.max_delay);
  }
  EXPECT_EQ(asker.error(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Codes, TagFailureTest,
                         ::testing::Values(ErrorCode::kUnavailable, ErrorCode::kTimedOut,
                                           ErrorCode::kThrottled, ErrorCode::kCorrupt),
                         [](const auto& param) { return std::string(to_string(param.param)); });

TEST_F(TagsTest, UnknownTagIsRetried) {
  Asker<ManifestAnswer> asker;
  check_failing(asker, ErrorCode::kUnavailable);
  EXPECT_FALSE(asker.answered());
  timers_.advance(rules_.retry.max_delay);
  answer_head(new_digest_);
  answer_body(new_);
  EXPECT_TRUE(asker.ok());
  EXPECT_EQ(counters_.upstream_retries, 1u);
}

TEST_F(TagsTest, DeletedTagIsNotFoundThoughItIsCached) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  check_failing(asker, ErrorCode::kNotFound);
  EXPECT_EQ(asker.error(), ErrorCode::kNotFound);
}

TEST_F(TagsTest, DeniedTagIsDeniedThoughItIsCached) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  check_failing(asker, ErrorCode::kDenied);
  EXPECT_EQ(asker.error(), ErrorCode::kDenied);
}

TEST_F(TagsTest, RefusalKeepsTheLinkClosed) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  check_failing(asker, ErrorCode::kNotFound);
  EXPECT_EQ(guard_->status().link, policy::Breaker::State::kClosed);
}

TEST_F(TagsTest, FailedFetchAfterTheHeadServesTheOldManifest) {
  cache_old(seconds(3600));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  answer_head(new_digest_);
  upstream_->only_pending()->fail(ErrorCode::kThrottled);
  expect_old(asker, ManifestSource::kStale);
  EXPECT_EQ(asker.value().age, seconds(3600));
  EXPECT_EQ(indexed().digest, old_digest_);
}

TEST_F(TagsTest, FailedFetchAfterTheHeadOfAnUnknownTagIsAnError) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  answer_head(new_digest_);
  upstream_->only_pending()->fail(ErrorCode::kThrottled);
  EXPECT_EQ(asker.error(), ErrorCode::kThrottled);
}

TEST_F(TagsTest, AskerMayAskAgainInsideItsError) {
  rules_.retry.max_attempts = 1;
  make_cache();
  Asker<ManifestAnswer> first, second;
  get(first, tag_);
  first.then = [&] { get(second, tag_); };
  upstream_->only_pending()->fail(ErrorCode::kUnavailable);
  timers_.run();
  answer_head(new_digest_);
  answer_body(new_);
  EXPECT_TRUE(second.ok());
}

TEST_F(TagsTest, FailureSkipsTheNextCheck) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> first, second;
  check_failing(first, ErrorCode::kTimedOut);
  EXPECT_EQ(guard_->status().link, policy::Breaker::State::kDoubtful);
  get(second, tag_);
  expect_old(second, ManifestSource::kStale);
  EXPECT_EQ(upstream_->requests().size(), 1u);
  EXPECT_EQ(counters_.stale_served, 2u);
}

TEST_F(TagsTest, FailureOfOneOriginDoesNotAffectAnother) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  check_failing(asker, ErrorCode::kTimedOut);
  EXPECT_EQ(other_guard_->status().link, policy::Breaker::State::kClosed);
}

TEST_F(TagsTest, UnknownTagIsAskedForOnADoubtfulLink) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> first, second;
  check_failing(first, ErrorCode::kTimedOut);
  get(second, oci::Tag("trixie"));
  EXPECT_EQ(asked(), UpstreamKind::kManifestHead);
}

TEST_F(TagsTest, TagIsCheckedAgainAfterAGoodPing) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> first, second;
  check_failing(first, ErrorCode::kTimedOut);
  timers_.run();
  ASSERT_EQ(upstream_->pings().size(), 1u);
  upstream_->pings().front()->answer_ping({});
  get(second, tag_);
  EXPECT_EQ(asked(), UpstreamKind::kManifestHead);
}

TEST_F(TagsTest, AnyAnswerEndsTheDoubt) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> failing, unknown, after;
  check_failing(failing, ErrorCode::kTimedOut);
  get(unknown, oci::Tag("trixie"));
  answer_head(old_digest_);
  EXPECT_EQ(guard_->status().link, policy::Breaker::State::kClosed);
  get(after, tag_);
  EXPECT_EQ(asked(), UpstreamKind::kManifestHead);
}

TEST_F(TagsTest, UnchangedTagIsNotWrittenWithinAnHour) {
  cache_old(seconds(60));
  check_unchanged();
  clock_.advance(seconds(3539));
  check_unchanged();
  EXPECT_EQ(indexed().checked_at, first_check_ - seconds(60));
}

TEST_F(TagsTest, UnchangedTagIsWrittenAfterAnHour) {
  cache_old(seconds(60));
  clock_.advance(seconds(3540));
  check_unchanged();
  EXPECT_EQ(indexed().checked_at, clock_.wall_now());
}

TEST_F(TagsTest, RestartForgetsUnwrittenConfirmations) {
  cache_old(seconds(60));
  check_unchanged();
  make_cache();
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  EXPECT_EQ(asked(), UpstreamKind::kManifestHead);
}

TEST_F(TagsTest, TagThatCannotBeWrittenIsKnownInMemory) {
  cache_old(seconds(7200));
  store_.fail(Step::kPutTag, {ErrorCode::kNoSpace, "full"});
  check_unchanged();
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  expect_old(asker, ManifestSource::kHit);
}

TEST_F(TagsTest, UnwrittenMoveIsWrittenAtTheNextCheck) {
  cache_old(seconds(60));
  store_.add_manifest(new_, std::string(oci::kOciIndex));
  store_.fail(Step::kPutTag, {ErrorCode::kNoSpace, "full"});
  for (int i = 0; i < 2; ++i) {
    Asker<ManifestAnswer> asker;
    get(asker, tag_);
    answer_head(new_digest_);
    timers_.advance(seconds(60));
  }
  EXPECT_EQ(indexed().digest, new_digest_);
}

TEST_F(TagsTest, TagIsOldAfterTheClockWasSetBack) {
  cache_old(seconds(0));
  clock_.set_wall(clock_.wall_now() - seconds(3600));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  EXPECT_EQ(asked(), UpstreamKind::kManifestHead);
}

TEST_F(TagsTest, TagIsOldAfterTheClockWasSetBackALittle) {
  cache_old(seconds(0));
  clock_.set_wall(clock_.wall_now() - milliseconds(500));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  EXPECT_EQ(asked(), UpstreamKind::kManifestHead);
}

TEST_F(TagsTest, CheckAfterTheClockWasSetBackIsWritten) {
  cache_old(seconds(0));
  clock_.set_wall(clock_.wall_now() - seconds(7200));
  check_unchanged();
  EXPECT_EQ(indexed().checked_at, clock_.wall_now());
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  expect_old(asker, ManifestSource::kHit);
}

TEST_F(TagsTest, FreshForBelowASecondIsHonoured) {
  rules_.fresh_for = milliseconds(500);
  make_cache();
  cache_old(seconds(0));
  clock_.advance(milliseconds(600));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  EXPECT_EQ(asked(), UpstreamKind::kManifestHead);
}

TEST_F(TagsTest, CacheMayBeDestroyedDuringACheck) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  cache_.reset();
  timers_.run();
  EXPECT_FALSE(asker.answered());
}

}  // namespace
}  // namespace layby::cache
