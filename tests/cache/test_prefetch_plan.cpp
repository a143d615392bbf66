// SPDX-License-Identifier: Apache-2.0
//
// Plans, which fetch only content that a run needs. Also the sums of reports, lists that don't
// fit into the cache, and lists that change during a run or a plan.

#include "cache/prefetch_test.h"

namespace layby::cache {
namespace {

class PrefetchPlanTest : public PrefetchTest {
 protected:
  void plan(bool sizes) {
    handle_ = prefetcher().plan(sizes, [this](PrefetchReport report) {
      ++times_told_;
      planned_ = std::move(report);
    });
  }
  PrefetchTag planned(const std::string& name) const {
    for (const PrefetchTag& tag : planned_.tags) {
      if (tag.tag.tag == name) return tag;
    }
    ADD_FAILURE() << name << " isn't in the plan";
    return {};
  }
  // Leaves room for `bytes` on the disk, besides min_free_bytes.
  void make_room_for(std::uint64_t bytes) {
    store_.reported_usage().disk_free_bytes = (1 << 30) + bytes;
  }

  Handle handle_;
  PrefetchReport planned_;
  int times_told_ = 0;
};

TEST_F(PrefetchPlanTest, FreePlanSendsOnlyFreeRequests) {
  add_tagged("3.13", "layer");
  PrefetchImage two = image({"3.13"}, {"linux/amd64", "linux/arm64"});
  set_list({two});
  plan(false);
  EXPECT_EQ(times_told_, 0);
  serve();
  EXPECT_EQ(times_told_, 1);
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestHead), 1u);
  EXPECT_EQ(upstream_->requests().size(), 1u);
  const PrefetchTag tag = planned("3.13");
  EXPECT_EQ(tag.state, PrefetchState::kManifests);
  EXPECT_EQ(tag.now, tags_.at("3.13"));
  EXPECT_FALSE(tag.bytes_known);
  EXPECT_EQ(tag.pulls, 3u) << "the index, and a manifest for each platform";
  EXPECT_TRUE(planned_.over);
}

TEST_F(PrefetchPlanTest, AttestationsCountAsPulls) {
  add_tagged("3.13", "layer");
  PrefetchImage attested = image({"3.13"});
  attested.choice.attestations = true;
  set_list({attested});
  plan(false);
  serve();
  EXPECT_EQ(planned("3.13").pulls, 3u);
}

TEST_F(PrefetchPlanTest, FreePlanKnowsTheSizesOfCachedImages) {
  const oci::Digest index = add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  run();
  store_.remove_blob(oci::Digest::of("layer"));
  plan(false);
  serve();
  EXPECT_EQ(planned("3.13").state, PrefetchState::kFetching);
  EXPECT_EQ(planned("3.13").before, index);
  EXPECT_TRUE(planned("3.13").bytes_known);
  EXPECT_EQ(planned("3.13").bytes_total, 5u);
  EXPECT_EQ(planned("3.13").pulls, 0u);
  EXPECT_EQ(planned_.bytes_total, 5u);
  EXPECT_EQ(pending(UpstreamKind::kBlobGet), 0u);
}

TEST_F(PrefetchPlanTest, OldImageEstimatesTheSizeOfTheNewOne) {
  add_tagged("3.13", "old layer");
  set_list({image({"3.13"})});
  run();
  add_tagged("3.13", "new");
  plan(false);
  serve();
  const std::string config = "config of old layer";
  EXPECT_EQ(planned("3.13").before_bytes, std::string("old layer").size() + config.size());
}

TEST_F(PrefetchPlanTest, PlanWithSizesFetchesManifestsAndNoBlobs) {
  const oci::Digest index = add_tagged("3.13", "layer");
  PrefetchImage pinned = image({"3.13"});
  pinned.pin = true;
  set_list({pinned});
  plan(true);
  serve();
  EXPECT_EQ(times_told_, 1);
  EXPECT_TRUE(has_manifest(index));
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), 2u);
  EXPECT_EQ(upstream_->count(UpstreamKind::kBlobGet), 0u);
  EXPECT_TRUE(planned("3.13").bytes_known);
  EXPECT_EQ(planned("3.13").bytes_total, std::string("layerconfig of layer").size());
  EXPECT_EQ(planned_.pulls_spent, 2u);
  EXPECT_FALSE(store_.find_tag(key("3.13"))) << "a plan doesn't move the tag";
  EXPECT_TRUE(store_.list_pins().empty());
  EXPECT_TRUE(cache_->moves().empty());
}

TEST_F(PrefetchPlanTest, PlanDoesNotCountAsARun) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  plan(true);
  serve();
  EXPECT_FALSE(prefetcher().running());
  EXPECT_EQ(prefetcher().run(), 0u);
  EXPECT_EQ(times_ended_, 0);
  EXPECT_TRUE(report().tags.empty());
}

TEST_F(PrefetchPlanTest, DroppingAPlanEndsItsRequests) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  plan(true);
  const auto head = asked(UpstreamKind::kManifestHead);
  handle_.reset();
  EXPECT_TRUE(head->cancelled());
  timers_.advance(seconds(60));
  EXPECT_EQ(times_told_, 0);
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

TEST_F(PrefetchPlanTest, PlanMayBeDroppedInsideItsAnswer) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  handle_ = prefetcher().plan(false, [this](PrefetchReport) {
    ++times_told_;
    handle_.reset();
  });
  serve();
  EXPECT_EQ(times_told_, 1);
}

// -- plans while upstream can't be asked

TEST_F(PrefetchPlanTest, PlanAnswersAtOnceWhileUpstreamIsDown) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13", "3.1*"})});
  run();
  Asker<TagPage> lists[8];
  for (auto& asker : lists) {
    asker.handle = cache_->get_tags(hub(), "library/python", {}, asker.done());
    for (const Request& request : upstream_->pending()) request->fail(ErrorCode::kUnavailable);
  }
  timers_.run();
  ASSERT_TRUE(hub().upstream->patience(Ask::kTagCheck).is_down);
  const auto before = clock_.steady_now();
  plan(true);
  timers_.run();
  EXPECT_EQ(times_told_, 1);
  EXPECT_EQ(clock_.steady_now(), before);
  EXPECT_EQ(planned("3.13").state, PrefetchState::kFailed);
  EXPECT_NE(planned("3.13").error.find("is down"), std::string::npos) << planned("3.13").error;
  EXPECT_EQ(planned_.troubles.size(), 1u);
}

TEST_F(PrefetchPlanTest, PlanTriesAFailedCheckAndAFailedListOnlyOnce) {
  set_tag("3.13", add_image({"layer"}));
  set_list({image({"3.13", "3.1*"})});
  plan(false);
  timers_.run();
  for (const Request& request : upstream_->pending()) request->fail(ErrorCode::kUnavailable);
  timers_.run();
  EXPECT_EQ(times_told_, 1);
  EXPECT_EQ(planned("3.13").state, PrefetchState::kFailed);
}

// -- lists that do not fit

TEST_F(PrefetchPlanTest, ImageThatDoesNotFitFailsAndOthersAreFetched) {
  set_tag("large", add_image({std::string(5000, 'x')}));
  set_tag("small", add_image({"layer"}));
  make_room_for(2000);
  set_list({image({"large", "small"})});
  run();
  EXPECT_EQ(state("large"), PrefetchState::kFailed);
  EXPECT_NE(seen("large").error.find("does not fit"), std::string::npos);
  EXPECT_NE(seen("large").error.find("cache.max_bytes"), std::string::npos);
  EXPECT_EQ(state("small"), PrefetchState::kDone);
  EXPECT_EQ(upstream_->count(UpstreamKind::kBlobGet), 2u);
  EXPECT_EQ(report().capacity_bytes, 2000u);
  EXPECT_EQ(report().list_bytes, std::string("layerconfig of layer").size());
}

TEST_F(PrefetchPlanTest, ListThatJustFitsIsFetched) {
  set_tag("a", add_image({"layer"}));
  make_room_for(std::string("layerconfig of layer").size());
  set_list({image({"a"})});
  run();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
}

TEST_F(PrefetchPlanTest, PlanCountsEachBlobOfTheListOnce) {
  const std::string base(5000, 'x');
  set_tag("a", add_image({base}));
  set_tag("b", add_image({base, "more"}));
  make_room_for(100);
  set_list({image({"a", "b"})});
  plan(true);
  serve();
  EXPECT_EQ(planned("a").state, PrefetchState::kFailed);
  EXPECT_EQ(planned("b").state, PrefetchState::kFailed);
  const std::size_t configs = 2 * std::string("config of ").size() + 2 * base.size() + 5;
  EXPECT_EQ(planned_.list_bytes, base.size() + 4 + configs);
}

TEST_F(PrefetchPlanTest, NothingIsTooLargeWhileTheDiskSizeIsUnknown) {
  store_.reported_usage().disk_free_bytes = 0;
  store_.reported_usage().disk_total_bytes = 0;
  set_tag("a", add_image({"layer"}));
  set_list({image({"a"})});
  plan(true);
  serve();
  EXPECT_EQ(planned("a").state, PrefetchState::kFetching);
  EXPECT_EQ(planned_.capacity_bytes, 0u);
}

// -- reports

TEST_F(PrefetchPlanTest, ReportFollowsTheBytes) {
  set_tag("a", add_image({"0123456789"}));
  list_.concurrency = 1;
  set_list({image({"a"})});
  prefetcher().start();
  serve_manifests();
  const std::uint64_t total = std::string("0123456789config of 0123456789").size();
  EXPECT_EQ(report().bytes_total, total);
  EXPECT_EQ(report().bytes_done, 0u);
  answer(*asked(UpstreamKind::kBlobGet));
  const std::uint64_t config = std::string("config of 0123456789").size();
  const auto layer = asked(UpstreamKind::kBlobGet);
  EXPECT_EQ(report().bytes_done, config);
  layer->start(0, 10);
  layer->send("0123");
  timers_.run();
  EXPECT_EQ(report().bytes_done, config + 4);
  EXPECT_EQ(seen("a").bytes_done, config + 4);
  EXPECT_EQ(seen("a").image_bytes, total);
  EXPECT_FALSE(report().over);
  layer->send("456789");
  layer->end({});
  timers_.run();
  EXPECT_EQ(report().bytes_done, total);
  EXPECT_TRUE(report().over);
}

TEST_F(PrefetchPlanTest, ReportOfTheLastRunStays) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  run();
  EXPECT_EQ(report().tags.size(), 1u);
  EXPECT_EQ(report().tags[0].state, PrefetchState::kDone);
  EXPECT_FALSE(report().stopped);
}

// -- lists that change

TEST_F(PrefetchPlanTest, NewListStopsTheRun) {
  add_tagged("3.12", "a");
  add_tagged("3.13", "b");
  set_list({image({"3.12"})});
  prefetcher().start();
  serve_manifests();
  const auto blob = asked(UpstreamKind::kBlobGet);
  set_list({image({"3.13"})});
  EXPECT_TRUE(blob->cancelled());
  EXPECT_FALSE(prefetcher().running());
  EXPECT_TRUE(report().tags.empty());
  EXPECT_EQ(times_ended_, 0);
  run();
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
  EXPECT_EQ(report().tags.size(), 1u);
}

TEST_F(PrefetchPlanTest, NewListEndsAPlanWithAPartialReport) {
  add_tagged("3.12", "a");
  add_tagged("3.13", "b");
  set_list({image({"3.12", "3.13"})});
  plan(false);
  answer(*asked(UpstreamKind::kManifestHead));
  timers_.run();  // The plan looks up the parts of the image 3.12.
  set_list({});
  EXPECT_EQ(times_told_, 1);
  EXPECT_TRUE(planned_.stopped);
  EXPECT_EQ(planned("3.12").state, PrefetchState::kManifests);
  EXPECT_EQ(planned("3.13").state, PrefetchState::kStopped);
  EXPECT_TRUE(upstream_->pending().empty());
}

TEST_F(PrefetchPlanTest, AnswerOfAStoppedPlanMayDropAnotherPlan) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  Handle others[2];
  int others_told = 0;
  others[0] = prefetcher().plan(false, [&](PrefetchReport) { ++others_told; });
  handle_ = prefetcher().plan(false, [&](PrefetchReport) {
    ++times_told_;
    others[1].reset();
  });
  others[1] = prefetcher().plan(false, [&](PrefetchReport) { ++others_told; });
  set_list({});
  EXPECT_EQ(times_told_, 1);
  EXPECT_EQ(others_told, 1);
}

TEST_F(PrefetchPlanTest, AnswerAtTheEndOfTheCacheMayDropAnotherPlan) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  Handle other;
  handle_ = prefetcher().plan(false, [&](PrefetchReport) {
    ++times_told_;
    other.reset();
  });
  other = prefetcher().plan(false, [&](PrefetchReport) { ++times_told_; });
  cache_.reset();
  EXPECT_EQ(times_told_, 1);
}

TEST_F(PrefetchPlanTest, PlanBegunInTheAnswerOfAStoppedPlanHasTheNewList) {
  add_tagged("3.12", "a");
  add_tagged("3.13", "b");
  set_list({image({"3.12"})});
  Handle first = prefetcher().plan(false, [&](PrefetchReport) { plan(false); });
  set_list({image({"3.13"})});
  EXPECT_EQ(times_told_, 0);
  serve();
  EXPECT_EQ(times_told_, 1);
  ASSERT_EQ(planned_.tags.size(), 1u);
  EXPECT_EQ(planned_.tags[0].tag.tag, "3.13");
}

TEST_F(PrefetchPlanTest, PlanIsReportedOnlyOnce) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  plan(false);
  serve();
  ASSERT_EQ(times_told_, 1);
  set_list({});
  EXPECT_EQ(times_told_, 1);
}

TEST_F(PrefetchPlanTest, CacheMayBeDestroyedDuringAPlan) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  plan(true);
  const auto head = asked(UpstreamKind::kManifestHead);
  cache_.reset();
  EXPECT_TRUE(head->cancelled());
  EXPECT_EQ(times_told_, 1);
}

}  // namespace
}  // namespace layby::cache
