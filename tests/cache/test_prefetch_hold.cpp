// SPDX-License-Identifier: Apache-2.0
//
// Listed tags that moved: pulls get the old image, whole as it is, until a run has the new
// one whole; and where that can't be, or takes too long, they get the new one at once.

#include "cache/prefetch_test.h"

namespace layby::cache {
namespace {

class PrefetchHoldTest : public PrefetchTest {
 protected:
  // The old image is here, by a run through the list; then the tag moves.
  void SetUp() override {
    PrefetchTest::SetUp();
    old_ = add_tagged("3.13", "old layer");
    set_list({image({"3.13"})});
    run();
    new_ = add_tagged("3.13", "new layer");
    clock_.advance(seconds(60));
  }

  // A pull; upstream is asked at most what the tag is.
  void expect_pull(const oci::Digest& digest, ManifestSource source) {
    Asker<ManifestAnswer> asker;
    pull(asker, tag_);
    serve(UpstreamKind::kManifestHead);
    ASSERT_TRUE(asker.ok());
    EXPECT_EQ(asker.value().digest, digest);
    EXPECT_EQ(asker.value().source, source);
  }
  // A pull that has to fetch the new manifest.
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
  expect_pull(new_, ManifestSource::kHit);
}

TEST_F(PrefetchHoldTest, HeldTagIsLookedAtAsOftenAsAnyOther) {
  expect_pull(old_, ManifestSource::kHeld);
  const std::size_t before = upstream_->requests().size();
  clock_.advance(seconds(60) - milliseconds(1));
  expect_pull(old_, ManifestSource::kHeld);
  EXPECT_EQ(upstream_->requests().size(), before);
  clock_.advance(milliseconds(1));
  expect_pull(old_, ManifestSource::kHeld);
  EXPECT_EQ(upstream_->requests().size(), before + 1);
}

TEST_F(PrefetchHoldTest, AgeOfAHeldTagIsThatOfItsLastConfirmation) {
  Asker<ManifestAnswer> asker;
  pull(asker, tag_);
  serve(UpstreamKind::kManifestHead);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().age, seconds(60));
}

TEST_F(PrefetchHoldTest, MoveIsToldToWhoeverRunsTheList) {
  EXPECT_EQ(times_moved_, 0);
  expect_pull(old_, ManifestSource::kHeld);
  EXPECT_EQ(times_moved_, 1);
  ASSERT_EQ(cache_->moves().size(), 1u);
  EXPECT_EQ(cache_->moves()[0].from, old_);
  EXPECT_EQ(cache_->moves()[0].to, new_);
  EXPECT_EQ(cache_->moves()[0].fetch_bytes, std::nullopt);
}

TEST_F(PrefetchHoldTest, RunTellsWhatTheMoveCosts) {
  prefetcher().start();
  serve();
  ASSERT_EQ(cache_->moves().size(), 1u);
  EXPECT_EQ(cache_->moves()[0].fetch_bytes, seen("3.13").bytes_total);
  EXPECT_EQ(seen("3.13").before, old_);
  EXPECT_EQ(seen("3.13").now, new_);
  EXPECT_EQ(counters_.tag_moves, 1u);
}

TEST_F(PrefetchHoldTest, OldImageThatIsNotWholeIsNotHeld) {
  store_.remove_blob(oci::Digest::of("old layer"));
  expect_new_one_fetched();
}

TEST_F(PrefetchHoldTest, NothingIsHeldForLongerThanTheListSays) {
  list_.hold = std::chrono::hours(2);
  set_list({image({"3.13"})});
  expect_pull(old_, ManifestSource::kHeld);
  clock_.advance(std::chrono::hours(2) - seconds(60));
  expect_pull(old_, ManifestSource::kHeld);
  clock_.advance(seconds(60));
  expect_new_one_fetched();
  EXPECT_EQ(cache_->moves().size(), 1u);
}

TEST_F(PrefetchHoldTest, NothingIsHeldForNoTime) {
  list_.hold = seconds(0);
  set_list({image({"3.13"})});
  expect_new_one_fetched();
}

TEST_F(PrefetchHoldTest, EachMoveIsHeldAnew) {
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

TEST_F(PrefetchHoldTest, TagThatIsNotListedIsNotHeld) {
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

TEST_F(PrefetchHoldTest, NewImageThatIsWholeIsGivenAtOnce) {
  set_tag("latest", new_);
  set_list({image({"latest", "3.12"})});
  run();
  set_list({image({"3.13"})});
  expect_pull(new_, ManifestSource::kChecked);
}

TEST_F(PrefetchHoldTest, TagThatIsBackIsNoLongerHeld) {
  expect_pull(old_, ManifestSource::kHeld);
  set_tag("3.13", old_);
  clock_.advance(seconds(60));
  expect_pull(old_, ManifestSource::kChecked);
  expect_pull(old_, ManifestSource::kHit);
}

TEST_F(PrefetchHoldTest, TagThatIsGoneIsNotHeld) {
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

TEST_F(PrefetchHoldTest, NewImageCanBePulledByDigestMeanwhile) {
  expect_pull(old_, ManifestSource::kHeld);
  Asker<ManifestAnswer> asker;
  pull(asker, new_);
  serve();
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, new_);
  expect_pull(old_, ManifestSource::kHeld);
}

TEST_F(PrefetchHoldTest, RunThatFailsKeepsTheOldImage) {
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
