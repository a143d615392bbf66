// SPDX-License-Identifier: Apache-2.0
//
// When a cached tag is given without a question: rules for single tags, the time in which
// it is given and checked behind, what is known not to be there, and what a link that is
// down or throttled leaves.

#include "cache/freshness_test.h"

namespace layby::cache {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// -- rules for tags

TEST_F(FreshnessTest, RuleForATagIsStrongerThanTheDefault) {
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

TEST_F(FreshnessTest, FirstRuleForATagCounts) {
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

// -- given, and checked behind

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

TEST_F(StaleWhileRevalidateTest, OlderTagIsGivenAtOnceAndCheckedBehind) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().age, seconds(60)) << "its age doesn't hide it";
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestHead);
  answer_head(old_digest_);
  clock_.advance(seconds(59));
  expect_at_once(ManifestSource::kHit);
  EXPECT_EQ(asked(), 1u) << "it is fresh again";
}

TEST_F(StaleWhileRevalidateTest, ManyPullsAreBehindOneCheck) {
  cache_old(seconds(75));
  for (int i = 0; i < 3; ++i) expect_at_once(ManifestSource::kHit);
  EXPECT_EQ(asked(), 1u);
}

TEST_F(StaleWhileRevalidateTest, MovedTagIsFetchedBehind) {
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

TEST_F(StaleWhileRevalidateTest, NoTimeIsTooLong) {
  rules_.stale_while_revalidate = milliseconds::max();
  make_cache();
  cache_old(hours(24 * 3650));
  expect_at_once(ManifestSource::kHit);
  EXPECT_EQ(asked(), 1u);
}

TEST_F(StaleWhileRevalidateTest, TagThatIsGoneIsNotGivenOnceThatIsKnown) {
  cache_old(seconds(60));
  expect_at_once(ManifestSource::kHit);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  expect_error(ErrorCode::kNotFound);
  EXPECT_EQ(asked(), 1u);
}

TEST_F(StaleWhileRevalidateTest, CheckThatFailsHidesNothing) {
  cache_old(seconds(60));
  expect_at_once(ManifestSource::kHit);
  upstream_->only_pending()->fail(ErrorCode::kInvalid);
  timers_.run();
  expect_at_once(ManifestSource::kHit);
  EXPECT_EQ(asked(), 2u);
}

// -- what isn't there

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

TEST_F(FreshnessTest, TagWhoseManifestIsNotThereIsUnknown) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  answer_head(new_digest_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  expect_error(ErrorCode::kNotFound);
  EXPECT_EQ(asked(), 2u);
}

TEST_F(FreshnessTest, CachedTagThatIsGoneIsRememberedToo) {
  cache_old(seconds(60));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  expect_error(ErrorCode::kNotFound);
  EXPECT_EQ(asked(), 1u);
}

TEST_F(FreshnessTest, UnknownTagOfOnePlaceIsNotThatOfAnother) {
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

TEST_F(FreshnessTest, OnlyRefusalsAreRemembered) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kInvalid);
  EXPECT_EQ(asker.error(), ErrorCode::kInvalid);
  timers_.run();
  expect_question();
}

TEST_F(FreshnessTest, NothingIsRememberedWhereThatIsOff) {
  rules_.unknown_for = milliseconds(0);
  make_cache();
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  expect_question();
}

TEST_F(FreshnessTest, FreshTagIsGivenWhateverIsKnown) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  cache_old(seconds(1));
  expect_at_once(ManifestSource::kHit);
}

// -- links that are down

TEST_F(FreshnessTest, CachedTagIsGivenAtOnceWhileTheLinkIsDown) {
  cache_old(hours(24));
  take_link_down();
  const std::size_t before = asked();
  expect_at_once(ManifestSource::kStale);
  EXPECT_EQ(asked(), before);
  EXPECT_EQ(counters_.stale_served, 1u);
}

TEST_F(FreshnessTest, WhatIsNotCachedFailsAtOnceWhileTheLinkIsDown) {
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

TEST_F(FreshnessTest, TagIsCheckedAgainWhenThePingWasAnswered) {
  cache_old(hours(24));
  take_link_down();
  timers_.run();
  upstream_->pings().back()->answer_ping({});
  expect_question();
}

TEST_F(FreshnessTest, DoubtIsEnoughForWhatIsCachedAndNotForTheRest) {
  cache_old(hours(24));
  fail_list({ErrorCode::kUnavailable, "fake upstream"});
  const std::size_t before = asked();
  expect_at_once(ManifestSource::kStale);
  EXPECT_EQ(asked(), before);
  Asker<ManifestAnswer> not_cached;
  get(not_cached, oci::Tag("sid"));
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestHead);
}

TEST_F(FreshnessTest, AnotherLinkThatIsDownChangesNothing) {
  cache_old(seconds(60));
  Asker<TagPage> asker;
  asker.handle = cache_->get_tags(other(), "a/b", {}, asker.done());
  other_upstream_->only_pending()->fail(ErrorCode::kTimedOut);
  expect_question();
}

// -- links that are throttled

TEST_F(FreshnessTest, CachedTagIsGivenAtOnceInTheQuietAfterA429) {
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

TEST_F(FreshnessTest, UsedUpPullLimitLeavesTheCheckAndTakesTheFetch) {
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
