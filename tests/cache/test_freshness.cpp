// SPDX-License-Identifier: Apache-2.0
//
// When a cached tag is served without asking upstream: rules for single tags, stale tags that
// are served and checked in the background, names that upstream answered with 404, and links
// that are down or throttled.

#include "cache/freshness_test.h"

namespace layby::cache {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// -- rules for tags

TEST_F(FreshnessTest, RuleForATagOverridesTheDefault) {
  rules_.tag_rules = {{{"debian:book*"}, minutes(10)}};
  make_cache();
  cache_old(minutes(10) - milliseconds(1));
  expect_at_once(ManifestSource::kHit);
  clock_.advance(milliseconds(1));
  expect_question();
}

TEST_F(FreshnessTest, RuleForAnotherTagChangesNothing) {
  rules_.tag_rules = {{{"debian:sid", "python:*"}, minutes(10)}};
  make_cache();
  cache_old(seconds(60));
  expect_question();
}

TEST_F(FreshnessTest, FirstMatchingRuleCounts) {
  rules_.tag_rules = {{{"*:sid"}, hours(2)}, {{"debian:*"}, seconds(5)}, {{"*:*"}, hours(1)}};
  make_cache();
  cache_old(seconds(5));
  expect_question();
}

TEST_F(FreshnessTest, TagThatIsNeverFreshIsAlwaysChecked) {
  rules_.tag_rules = {{{"*:bookworm"}, milliseconds(0)}};
  make_cache();
  cache_old(milliseconds(0));
  expect_question();
}

TEST_F(FreshnessTest, TagThatNeverChangesIsNeverChecked) {
  rules_.tag_rules = {{{"debian:bookworm"}, policy::kForever}};
  for (const milliseconds more : {milliseconds(0), milliseconds(hours(1)), policy::kForever}) {
    rules_.stale_while_revalidate = more;
    make_cache();
    cache_old(hours(24 * 3650));
    expect_at_once(ManifestSource::kHit);
    EXPECT_EQ(asked(), 0u);
  }
}

// -- served, and checked in the background

class StaleWhileRevalidateTest : public FreshnessTest {
 protected:
  void SetUp() override {
    rules_.stale_while_revalidate = seconds(30);
    FreshnessTest::SetUp();
  }
};

TEST_F(StaleWhileRevalidateTest, FreshTagIsNotChecked) {
  cache_old(seconds(60) - milliseconds(1));
  expect_at_once(ManifestSource::kHit);
  EXPECT_EQ(asked(), 0u);
}

TEST_F(StaleWhileRevalidateTest, OlderTagIsServedAtOnceAndCheckedInTheBackground) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().age, seconds(60)) << "the answer states its true age";
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestHead);
  answer_head(old_digest_);
  clock_.advance(seconds(59));
  expect_at_once(ManifestSource::kHit);
  EXPECT_EQ(asked(), 1u) << "the check made the tag fresh again";
}

TEST_F(StaleWhileRevalidateTest, ManyPullsShareOneBackgroundCheck) {
  cache_old(seconds(75));
  for (int i = 0; i < 3; ++i) expect_at_once(ManifestSource::kHit);
  EXPECT_EQ(asked(), 1u);
}

TEST_F(StaleWhileRevalidateTest, MovedTagIsFetchedInTheBackground) {
  cache_old(seconds(89));
  expect_at_once(ManifestSource::kHit);
  answer_head(new_digest_);
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestGet);
  expect_at_once(ManifestSource::kHit);
  answer_body(new_);
  Asker<ManifestAnswer> next;
  get(next, tag_);
  EXPECT_EQ(next.value().digest, new_digest_);
  EXPECT_EQ(asked(), 2u);
}

TEST_F(StaleWhileRevalidateTest, EvenOlderTagWaitsForTheAnswer) {
  cache_old(seconds(90));
  expect_question();
}

TEST_F(StaleWhileRevalidateTest, LongestTimeDoesNotOverflow) {
  rules_.stale_while_revalidate = milliseconds::max();
  make_cache();
  cache_old(hours(24 * 3650));
  expect_at_once(ManifestSource::kHit);
  EXPECT_EQ(asked(), 1u);
}

TEST_F(StaleWhileRevalidateTest, DeletedTagIsNotServedAfterItsCheck) {
  cache_old(seconds(60));
  expect_at_once(ManifestSource::kHit);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  expect_error(ErrorCode::kNotFound);
  EXPECT_EQ(asked(), 1u);
}

TEST_F(StaleWhileRevalidateTest, TagIsStillServedAfterAFailedCheck) {
  cache_old(seconds(60));
  expect_at_once(ManifestSource::kHit);
  upstream_->only_pending()->fail(ErrorCode::kInvalid);
  timers_.run();
  expect_at_once(ManifestSource::kHit);
  EXPECT_EQ(asked(), 2u);
}

// -- names that upstream doesn't have

TEST_F(FreshnessTest, UnknownTagIsRememberedForAWhile) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  EXPECT_EQ(asker.error(), ErrorCode::kNotFound);
  clock_.advance(seconds(10) - milliseconds(1));
  expect_error(ErrorCode::kNotFound);
  EXPECT_EQ(asked(), 1u);
  EXPECT_EQ(counters_.unknown_served, 1u);
  clock_.advance(milliseconds(1));
  expect_question();
}

TEST_F(FreshnessTest, UnknownDigestIsRememberedForAWhile) {
  Asker<ManifestAnswer> first, second, third;
  get(first, old_digest_);
  upstream_->only_pending()->fail(ErrorCode::kDenied);
  timers_.run();
  get(second, old_digest_);
  EXPECT_EQ(second.error(), ErrorCode::kDenied);
  clock_.advance(seconds(10));
  get(third, old_digest_);
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestGet);
}

TEST_F(FreshnessTest, TagWithoutAManifestUpstreamIsUnknown) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  answer_head(new_digest_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  expect_error(ErrorCode::kNotFound);
  EXPECT_EQ(asked(), 2u);
}

TEST_F(FreshnessTest, DeletedCachedTagIsRememberedAsUnknown) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  expect_error(ErrorCode::kNotFound);
  EXPECT_EQ(asked(), 1u);
}

TEST_F(FreshnessTest, UnknownTagOfOneRepositoryIsAskedForInAnother) {
  Asker<ManifestAnswer> asker, other_tag, other_repository, other_registry;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  get(other_tag, oci::Tag("sid"));
  other_repository.handle = cache_->get_manifest(hub(), "library/python", tag_, false,  //
                                                 other_repository.done());
  other_registry.handle =
      cache_->get_manifest(other(), "library/debian", tag_, false, other_registry.done());
  EXPECT_EQ(upstream_->pending().size(), 2u);
  EXPECT_EQ(other_upstream_->pending().size(), 1u);
}

TEST_F(FreshnessTest, OtherErrorsAreNotRemembered) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kInvalid);
  EXPECT_EQ(asker.error(), ErrorCode::kInvalid);
  timers_.run();
  expect_question();
}

TEST_F(FreshnessTest, NothingIsRememberedWhenUnknownForIsZero) {
  rules_.unknown_for = milliseconds(0);
  make_cache();
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  expect_question();
}

TEST_F(FreshnessTest, ChangedRulesCountAtOnce) {
  rules_.unknown_for = milliseconds(0);
  cache_->set_rules(rules_);
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  expect_question();
}

TEST_F(FreshnessTest, FreshTagIsServedThoughItIsRememberedAsUnknown) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  cache_old(seconds(1));
  expect_at_once(ManifestSource::kHit);
}

// -- links that are down

TEST_F(FreshnessTest, CachedTagIsServedAtOnceWhileTheLinkIsDown) {
  cache_old(hours(24));
  take_link_down();
  const std::size_t before = asked();
  expect_at_once(ManifestSource::kStale);
  EXPECT_EQ(asked(), before);
  EXPECT_EQ(counters_.stale_served, 1u);
}

TEST_F(FreshnessTest, UncachedContentFailsAtOnceWhileTheLinkIsDown) {
  take_link_down();
  const std::size_t before = asked();
  expect_error(ErrorCode::kUnavailable);
  Asker<ManifestAnswer> by_digest;
  get(by_digest, old_digest_);
  EXPECT_EQ(by_digest.error(), ErrorCode::kUnavailable);
  BlobAsker blob;
  open(blob, old_digest_);
  EXPECT_EQ(blob.error(), ErrorCode::kUnavailable);
  Asker<BlobHead> blob_head;
  blob_head.handle = cache_->head_blob(hub(), "library/debian", old_digest_, blob_head.done());
  EXPECT_EQ(blob_head.error(), ErrorCode::kUnavailable);
  Asker<std::string> referrers;
  referrers.handle =
      cache_->get_referrers(hub(), "library/debian", old_digest_, "", referrers.done());
  EXPECT_EQ(referrers.error(), ErrorCode::kUnavailable);
  EXPECT_EQ(asked(), before);
  EXPECT_TRUE(cache_->fills().empty());
}

TEST_F(FreshnessTest, CachedTagsAreListedWhileTheLinkIsDown) {
  cache_old(hours(24));
  take_link_down();
  const std::size_t before = asked();
  Asker<TagPage> tags;
  tags.handle = cache_->get_tags(hub(), "library/debian", {}, tags.done());
  ASSERT_TRUE(tags.ok());
  EXPECT_EQ(tags.value().tags, std::vector<std::string>{tag_});
  EXPECT_EQ(asked(), before);
}

TEST_F(FreshnessTest, TagIsCheckedAgainAfterAGoodPing) {
  cache_old(hours(24));
  take_link_down();
  timers_.run();
  upstream_->pings().back()->answer_ping({});
  expect_question();
}

TEST_F(FreshnessTest, DoubtfulLinkServesCachedTagsAndStillAsksForOthers) {
  cache_old(hours(24));
  fail_list({ErrorCode::kUnavailable, "fake upstream"});
  const std::size_t before = asked();
  expect_at_once(ManifestSource::kStale);
  EXPECT_EQ(asked(), before);
  Asker<ManifestAnswer> not_cached;
  get(not_cached, oci::Tag("sid"));
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestHead);
}

TEST_F(FreshnessTest, TagIsCheckedAlthoughABlobWasCutOff) {
  cache_old(hours(24));
  BlobAsker blob;
  open(blob, new_digest_);
  timers_.run();
  const auto transfer = upstream_->only_pending();
  transfer->start(0, new_.size());
  transfer->send(new_.substr(0, 1));
  transfer->fail(ErrorCode::kUnavailable);
  expect_question();
}

TEST_F(FreshnessTest, AnotherLinkBeingDownChangesNothing) {
  cache_old(seconds(60));
  Asker<TagPage> asker;
  asker.handle = cache_->get_tags(other(), "a/b", {}, asker.done());
  other_upstream_->only_pending()->fail(ErrorCode::kTimedOut);
  expect_question();
}

// -- links that are throttled

TEST_F(FreshnessTest, CachedTagIsServedAtOnceDuringTheBackoffAfterA429) {
  cache_old(hours(24));
  fail_list({ErrorCode::kThrottled, "fake upstream", seconds(90)});
  const std::size_t before = asked();
  expect_at_once(ManifestSource::kStale);
  expect_at_once(ManifestSource::kStale);
  Asker<ManifestAnswer> not_cached;
  get(not_cached, oci::Tag("sid"));
  EXPECT_EQ(not_cached.error(), ErrorCode::kThrottled);
  EXPECT_EQ(asked(), before);
}

TEST_F(FreshnessTest, UsedUpPullLimitAllowsTheCheckButNotTheFetch) {
  cache_old(seconds(60));
  upstream_->set_quota(
      policy::QuotaState{{100, seconds(1)}, {0, seconds(1)}, "", clock_.wall_now()});
  Asker<ManifestAnswer> not_cached;
  get(not_cached, new_digest_);
  upstream_->only_pending()->fail(ErrorCode::kThrottled);
  timers_.run();
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestHead);
  answer_head(new_digest_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().source, ManifestSource::kStale);
  EXPECT_EQ(asker.value().digest, old_digest_);
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), 1u);
}

}  // namespace
}  // namespace layby::cache
