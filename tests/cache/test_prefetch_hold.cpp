// SPDX-License-Identifier: Apache-2.0
//
// Listed tags that moved. If the old image is stored as a whole, pulls get the old image until a
// prefetch run has stored the whole new image. If the old image isn't whole, or `hold` has passed,
// pulls get the new image.

#include "cache/prefetch_test.h"

namespace layby::cache {
namespace {

class PrefetchHoldTest : public PrefetchTest {
 protected:
  // Lets a run fetch the old image, then moves the tag.
  void SetUp() override {
    PrefetchTest::SetUp();
    old_ = add_tagged("3.13", "old layer");
    set_list({image({"3.13"})});
    run();
    new_ = add_tagged("3.13", "new layer");
    clock_.advance(seconds(60));
  }

  // Pulls the tag. Upstream answers only tag checks.
  void expect_pull(const oci::Digest& digest, ManifestSource source) {
    Asker<ManifestAnswer> asker;
    pull(asker, tag_);
    serve(UpstreamKind::kManifestHead);
    ASSERT_TRUE(asker.ok());
    EXPECT_EQ(asker.value().digest, digest);
    EXPECT_EQ(asker.value().source, source);
  }
  // Pulls the tag. The pull waits, because the store doesn't answer find_parts().
  void pull_and_wait(Asker<ManifestAnswer>& asker) {
    store_.hold(Step::kFindParts);
    pull(asker, tag_);
    serve(UpstreamKind::kManifestHead);
    EXPECT_FALSE(asker.answered());
  }
  void expect_held(const Asker<ManifestAnswer>& asker) const {
    ASSERT_TRUE(asker.ok());
    EXPECT_EQ(asker.value().digest, old_);
    EXPECT_EQ(asker.value().source, ManifestSource::kHeld);
  }
  // Pulls the tag, and expects a fetch of the new manifest.
  void expect_new_one_fetched() {
    const std::size_t pulls = upstream_->count(UpstreamKind::kManifestGet);
    Asker<ManifestAnswer> asker;
    pull(asker, tag_);
    serve();
    ASSERT_TRUE(asker.ok());
    EXPECT_EQ(asker.value().digest, new_);
    EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), pulls + 1);
  }

  const oci::Tag tag_ = "3.13";
  oci::Digest old_ = oci::Digest::of("");
  oci::Digest new_ = oci::Digest::of("");
};

TEST_F(PrefetchHoldTest, PullsGetTheOldImageUntilTheNewOneIsWhole) {
  expect_pull(old_, ManifestSource::kHeld);
  EXPECT_EQ(counters_.held_served, 1u);
  prefetcher().start();
  serve_manifests();
  clock_.advance(seconds(60));
  expect_pull(old_, ManifestSource::kHeld);
  serve();
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
  // The run asked upstream about the tag a minute ago. So the tag isn't fresh, and the pull checks
  // the tag.
  expect_pull(new_, ManifestSource::kChecked);
}

TEST_F(PrefetchHoldTest, PlatformThatCannotBeHadHoldsNobodyElse) {
  set_list({image({"3.13"}, {"linux/amd64", "windows/amd64"})});
  const oci::Digest windows = add_image({"windows layer"});
  set_tag("3.13", add_index({{"windows/amd64", windows}, {"linux/amd64", add_image({"newest"})}}));
  manifests_.erase(windows.str());
  prefetcher().start();
  serve();
  EXPECT_EQ(state("3.13"), PrefetchState::kFailed);
  clock_.advance(seconds(60));
  new_ = tags_.at("3.13");
  expect_pull(new_, ManifestSource::kChecked);
}

TEST_F(PrefetchHoldTest, ForeignLayerHoldsNobody) {
  new_ = add_index({{"linux/amd64", add_image({"new layer"}, "foreign")}});
  set_tag("3.13", new_);
  prefetcher().start();
  serve();
  clock_.advance(seconds(60));
  expect_pull(new_, ManifestSource::kChecked);
}

TEST_F(PrefetchHoldTest, HeldTagIsCheckedAsOftenAsAnyOther) {
  expect_pull(old_, ManifestSource::kHeld);
  const std::size_t before = upstream_->requests().size();
  clock_.advance(seconds(60) - milliseconds(1));
  expect_pull(old_, ManifestSource::kHeld);
  EXPECT_EQ(upstream_->requests().size(), before);
  clock_.advance(milliseconds(1));
  expect_pull(old_, ManifestSource::kHeld);
  EXPECT_EQ(upstream_->requests().size(), before + 1);
}

TEST_F(PrefetchHoldTest, AgeOfAHeldTagCountsFromItsLastConfirmation) {
  Asker<ManifestAnswer> asker;
  pull(asker, tag_);
  serve(UpstreamKind::kManifestHead);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().age, seconds(60));
}

TEST_F(PrefetchHoldTest, MoveIsReportedToTheScheduler) {
  EXPECT_EQ(times_moved_, 0);
  expect_pull(old_, ManifestSource::kHeld);
  EXPECT_EQ(times_moved_, 1);
  ASSERT_EQ(cache_->moves().size(), 1u);
  EXPECT_EQ(cache_->moves()[0].from, old_);
  EXPECT_EQ(cache_->moves()[0].to, new_);
  EXPECT_EQ(cache_->moves()[0].fetch_bytes, std::nullopt);
}

TEST_F(PrefetchHoldTest, RunReportsWhatTheMoveCosts) {
  prefetcher().start();
  serve();
  ASSERT_EQ(cache_->moves().size(), 1u);
  EXPECT_EQ(cache_->moves()[0].fetch_bytes, seen("3.13").bytes_total);
  EXPECT_EQ(seen("3.13").before, old_);
  EXPECT_EQ(seen("3.13").now, new_);
  EXPECT_EQ(counters_.tag_moves, 1u);
}

TEST_F(PrefetchHoldTest, IncompleteOldImageIsNotHeld) {
  store_.remove_blob(oci::Digest::of("old layer"));
  expect_new_one_fetched();
}

TEST_F(PrefetchHoldTest, HoldEndsAfterTheListedTime) {
  list_.hold = std::chrono::hours(2);
  set_list({image({"3.13"})});
  expect_pull(old_, ManifestSource::kHeld);
  clock_.advance(std::chrono::hours(2) - seconds(60));
  expect_pull(old_, ManifestSource::kHeld);
  clock_.advance(seconds(60));
  expect_new_one_fetched();
  EXPECT_EQ(cache_->moves().size(), 1u);
}

TEST_F(PrefetchHoldTest, ZeroHoldHoldsNothing) {
  list_.hold = seconds(0);
  set_list({image({"3.13"})});
  expect_new_one_fetched();
}

TEST_F(PrefetchHoldTest, EachMoveStartsANewHold) {
  list_.hold = std::chrono::hours(2);
  set_list({image({"3.13"})});
  expect_pull(old_, ManifestSource::kHeld);
  clock_.advance(std::chrono::hours(1));
  set_tag("3.13", old_);
  expect_pull(old_, ManifestSource::kChecked);
  clock_.advance(std::chrono::hours(2));
  set_tag("3.13", new_);
  expect_pull(old_, ManifestSource::kHeld);
}

TEST_F(PrefetchHoldTest, UnlistedTagIsNotHeld) {
  set_list({image({"3.12"})});
  expect_new_one_fetched();
  EXPECT_EQ(times_moved_, 0);
}

TEST_F(PrefetchHoldTest, HoldEndsWithTheList) {
  expect_pull(old_, ManifestSource::kHeld);
  set_list({});
  clock_.advance(seconds(60));
  expect_new_one_fetched();
}

TEST_F(PrefetchHoldTest, UnlistedTagCostsNoQuestion) {
  set_list({image({"3.12"})});
  const int before = store_.parts_asked();
  Asker<ManifestAnswer> asker;
  pull(asker, tag_);
  answer(*upstream_->only_pending());
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestGet);
  EXPECT_EQ(store_.parts_asked(), before);
}

TEST_F(PrefetchHoldTest, PullWaitsForTheStoresAnswer) {
  Asker<ManifestAnswer> asker;
  pull_and_wait(asker);
  store_.release(Step::kFindParts);
  timers_.run();
  expect_held(asker);
}

TEST_F(PrefetchHoldTest, PullsOfAMovedTagShareTheQuestion) {
  const int before = store_.parts_asked();
  Asker<ManifestAnswer> first, second;
  pull_and_wait(first);
  pull_and_wait(second);
  store_.release(Step::kFindParts);
  timers_.run();
  expect_held(first);
  expect_held(second);
  EXPECT_EQ(store_.parts_asked(), before + 2);  // One for the old image, one for the new image.
  EXPECT_EQ(times_moved_, 1);
}

TEST_F(PrefetchHoldTest, PullDuringTheQuestionGetsTheOldImageAsBefore) {
  rules_.stale_while_revalidate = seconds(3'600);
  cache_->set_rules(rules_);
  store_.hold(Step::kFindParts);
  Asker<ManifestAnswer> first, during;
  pull(first, tag_);
  serve(UpstreamKind::kManifestHead);
  pull(during, tag_);
  ASSERT_TRUE(during.ok());
  EXPECT_EQ(during.value().digest, old_);
  EXPECT_EQ(during.value().source, ManifestSource::kHit);
}

TEST_F(PrefetchHoldTest, QuestionGoesOnWhenItsAskerHasLeft) {
  Asker<ManifestAnswer> asker;
  pull_and_wait(asker);
  asker.handle.reset();
  store_.release(Step::kFindParts);
  timers_.run();
  EXPECT_FALSE(asker.answered());
  const std::size_t before = upstream_->requests().size();
  expect_pull(old_, ManifestSource::kHeld);
  EXPECT_EQ(upstream_->requests().size(), before);
}

TEST_F(PrefetchHoldTest, QuestionEndsWithTheCache) {
  Asker<ManifestAnswer> asker;
  pull_and_wait(asker);
  asker.handle.reset();
  cache_.reset();
  store_.release(Step::kFindParts);
  timers_.run();
  EXPECT_FALSE(asker.answered());
}

TEST_F(PrefetchHoldTest, ListMayChangeDuringTheQuestion) {
  Asker<ManifestAnswer> asker;
  pull_and_wait(asker);
  set_list({});
  store_.release(Step::kFindParts);
  timers_.run();
  expect_held(asker);
  clock_.advance(seconds(60));
  expect_new_one_fetched();
}

TEST_F(PrefetchHoldTest, TagThatMovesHereDuringTheQuestionIsNotHeld) {
  set_list({image({"3.12"})});
  store_.hold(Step::kPutManifest);
  expect_new_one_fetched();
  set_list({image({"3.13"})});
  Asker<ManifestAnswer> asker;
  pull_and_wait(asker);
  store_.release(Step::kPutManifest);
  timers_.run();
  EXPECT_EQ(store_.find_tag(key(tag_))->digest, new_);
  EXPECT_FALSE(asker.answered());
  store_.release(Step::kFindParts);
  timers_.run();
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, new_);
  EXPECT_EQ(asker.value().source, ManifestSource::kChecked);
}

TEST_F(PrefetchHoldTest, BusyDiskHoldsTheTag) {
  Asker<ManifestAnswer> asker;
  pull_and_wait(asker);
  timers_.advance(rules_.revalidate_timeout - milliseconds(1));
  EXPECT_FALSE(asker.answered());
  timers_.advance(milliseconds(1));
  expect_held(asker);
  store_.release(Step::kFindParts);
  timers_.run();
}

TEST_F(PrefetchHoldTest, IndexThatCannotBeReadHoldsNoTag) {
  store_.fail(Step::kFindParts, {ErrorCode::kIo, "the index can't be read"});
  expect_new_one_fetched();
}

TEST_F(PrefetchHoldTest, WholeNewImageIsServedAtOnce) {
  set_tag("latest", new_);
  set_list({image({"latest", "3.12"})});
  run();
  set_list({image({"3.13"})});
  expect_pull(new_, ManifestSource::kChecked);
}

TEST_F(PrefetchHoldTest, TagThatMovedBackIsNotHeld) {
  expect_pull(old_, ManifestSource::kHeld);
  set_tag("3.13", old_);
  clock_.advance(seconds(60));
  expect_pull(old_, ManifestSource::kChecked);
  expect_pull(old_, ManifestSource::kHit);
}

TEST_F(PrefetchHoldTest, DeletedTagIsNotHeld) {
  expect_pull(old_, ManifestSource::kHeld);
  tags_.clear();
  clock_.advance(seconds(60));
  Asker<ManifestAnswer> asker;
  pull(asker, tag_);
  serve();
  EXPECT_EQ(asker.error(), ErrorCode::kNotFound);
}

TEST_F(PrefetchHoldTest, HeldTagIsStaleWhileTheLinkIsDown) {
  expect_pull(old_, ManifestSource::kHeld);
  clock_.advance(seconds(60));
  Asker<ManifestAnswer> failing, next;
  pull(failing, tag_);
  upstream_->only_pending()->fail(ErrorCode::kUnavailable);
  EXPECT_EQ(failing.value().source, ManifestSource::kStale);
  pull(next, tag_);
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(next.value().source, ManifestSource::kStale);
  EXPECT_EQ(next.value().digest, old_);
}

TEST_F(PrefetchHoldTest, NewImageCanBePulledByDigestDuringTheHold) {
  expect_pull(old_, ManifestSource::kHeld);
  Asker<ManifestAnswer> asker;
  pull(asker, new_);
  serve();
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, new_);
  expect_pull(old_, ManifestSource::kHeld);
}

TEST_F(PrefetchHoldTest, FailedRunKeepsTheOldImage) {
  expect_pull(old_, ManifestSource::kHeld);
  prefetcher().start();
  serve_manifests();
  asked(UpstreamKind::kBlobGet)->fail(ErrorCode::kNotFound);
  timers_.run();
  EXPECT_EQ(state("3.13"), PrefetchState::kFailed);
  clock_.advance(seconds(60));
  expect_pull(old_, ManifestSource::kHeld);
}

}  // namespace
}  // namespace layby::cache
