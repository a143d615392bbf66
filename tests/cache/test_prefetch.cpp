// SPDX-License-Identifier: Apache-2.0
//
// What a run fetches: the tags that match the list, the wanted platforms of their images, and
// each manifest and blob once. Also what a run pins.

#include "cache/prefetch_test.h"

namespace layby::cache {
namespace {

TEST_F(PrefetchTest, ImageIsFetchedForItsPlatformOnly) {
  const oci::Digest amd64 = add_image({"layer a", "layer b"});
  const oci::Digest arm64 = add_image({"layer c"});
  const oci::Digest index = add_index({{"linux/amd64", amd64}, {"linux/arm64", arm64}});
  set_tag("3.13", index);
  set_list({image({"3.13"})});
  run();
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
  EXPECT_TRUE(has_manifest(index));
  EXPECT_TRUE(has_manifest(amd64));
  EXPECT_FALSE(has_manifest(arm64));
  EXPECT_TRUE(has_layer("layer a"));
  EXPECT_TRUE(has_layer("layer b"));
  EXPECT_TRUE(has_layer("config of layer a layer b"));
  EXPECT_FALSE(has_layer("layer c"));
  EXPECT_EQ(report().pulls_spent, 2u);
  EXPECT_FALSE(report().failed());
  EXPECT_TRUE(report().over);
}

TEST_F(PrefetchTest, PullAfterARunNeedsNoUpstream) {
  const oci::Digest index = add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  run();
  const std::size_t before = upstream_->requests().size();
  Asker<ManifestAnswer> asker;
  pull(asker, oci::Tag("3.13"));
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, index);
  EXPECT_EQ(asker.value().source, ManifestSource::kHit);
  EXPECT_EQ(upstream_->requests().size(), before);
}

TEST_F(PrefetchTest, AllWantedPlatformsAreFetched) {
  const oci::Digest amd64 = add_image({"layer a"});
  const oci::Digest arm64 = add_image({"layer b"});
  const oci::Digest s390x = add_image({"layer c"});
  set_tag("3.13",
          add_index({{"linux/amd64", amd64}, {"linux/arm64", arm64}, {"linux/s390x", s390x}}));
  set_list({image({"3.13"}, {"linux/amd64"}), image({"3.*"}, {"linux/arm64"})});
  run();
  EXPECT_TRUE(has_layer("layer a"));
  EXPECT_TRUE(has_layer("layer b")) << "another entry of the list wants it";
  EXPECT_FALSE(has_layer("layer c"));
  EXPECT_EQ(report().tags.size(), 1u);
}

TEST_F(PrefetchTest, MissingPlatformIsAFailure) {
  set_tag("3.13", add_index({{"linux/amd64", add_image({"layer"})}}));
  set_list({image({"3.13"}, {"linux/s390x", "linux/amd64"})});
  run();
  EXPECT_EQ(state("3.13"), PrefetchState::kFailed);
  EXPECT_EQ(seen("3.13").error, "it has no linux/s390x");
  EXPECT_TRUE(has_layer("layer"));
  EXPECT_TRUE(report().failed());
}

TEST_F(PrefetchTest, BestPlatformThatClientsCanRunIsFetched) {
  set_tag("3.13", add_index({{"linux/386", add_image({"386"})},
                             {"linux/arm64", add_image({"arm64"})},
                             {"linux/amd64/v1", add_image({"amd64"})}}));
  set_list({image({"3.13"}, {"linux/amd64/v3"})});
  run();
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
  EXPECT_TRUE(has_layer("amd64"));
  EXPECT_FALSE(has_layer("386"));
  EXPECT_FALSE(has_layer("arm64"));
}

TEST_F(PrefetchTest, OlderPlatformIsFetchedForClientsThatChooseIt) {
  set_tag("3.13",
          add_index({{"linux/arm/v5", add_image({"v5"})}, {"linux/arm/v7", add_image({"v7"})}}));
  set_list({image({"3.13"}, {"linux/arm/v6"})});
  run();
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
  EXPECT_EQ(seen("3.13").error, "");
  EXPECT_TRUE(has_layer("v5"));
  EXPECT_FALSE(has_layer("v7"));
  ASSERT_EQ(seen("3.13").substitutes.size(), 1u);
  EXPECT_EQ(seen("3.13").substitutes[0].wanted, "linux/arm/v6");
  EXPECT_EQ(seen("3.13").substitutes[0].taken, "linux/arm/v5");
}

TEST_F(PrefetchTest, PlatformThatCannotBeHadHasNoSubstitute) {
  const oci::Digest amd64 = add_image({"amd64"});
  set_tag("3.13", add_index({{"linux/amd64", amd64}, {"linux/386", add_image({"386"})}}));
  manifests_.erase(amd64.str());
  set_list({image({"3.13"})});
  run();
  EXPECT_EQ(seen("3.13").error, "linux/amd64: not here");
  EXPECT_FALSE(has_layer("386")) << "no client chooses 386 while the index names amd64";
}

// -- parts that can't be had

TEST_F(PrefetchTest, ForeignLayersAreNotMissing) {
  const oci::Digest windows = add_image({"layer"}, "a layer of Microsoft");
  set_tag("3.13", add_index({{"windows/amd64", windows}}));
  set_list({image({"3.13"}, {"windows/amd64"})});
  run();
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
  EXPECT_TRUE(has_layer("layer"));
  EXPECT_EQ(upstream_->count(UpstreamKind::kBlobGet), 2u);
  EXPECT_EQ(seen("3.13").image_bytes, std::string("layerconfig of layer").size());
}

TEST_F(PrefetchTest, PlatformWithoutItsManifestFailsAlone) {
  const oci::Digest arm64 = add_image({"layer b"});
  set_tag("3.13", add_index({{"linux/arm64", arm64}, {"linux/amd64", add_image({"layer a"})}}));
  manifests_.erase(arm64.str());
  set_list({image({"3.13"}, {"linux/arm64", "linux/amd64"})});
  run();
  EXPECT_EQ(state("3.13"), PrefetchState::kFailed);
  EXPECT_EQ(seen("3.13").error, "linux/arm64: not here");
  EXPECT_TRUE(has_layer("layer a"));
  EXPECT_EQ(store_.find_tag(key("3.13"))->digest, tags_.at("3.13"));
}

TEST_F(PrefetchTest, PlatformWithoutABlobFailsAlone) {
  set_tag("3.13", add_index({{"linux/arm64", add_image({"layer b"})},
                             {"linux/amd64", add_image({"layer a"})},
                             {"linux/s390x", add_image({"layer b", "layer c"})}}));
  blobs_.erase(oci::Digest::of("layer b").str());
  set_list({image({"3.13"}, {"linux/arm64", "linux/amd64", "linux/s390x"})});
  run();
  EXPECT_EQ(state("3.13"), PrefetchState::kFailed);
  EXPECT_EQ(seen("3.13").error, "linux/arm64: not here; linux/s390x: not here");
  EXPECT_TRUE(has_layer("layer a"));
  EXPECT_TRUE(has_layer("config of layer a"));
  EXPECT_EQ(store_.find_tag(key("3.13"))->digest, tags_.at("3.13"));
  EXPECT_EQ(report().bytes_done, report().bytes_total);
}

TEST_F(PrefetchTest, MissingAttestationFailsAlone) {
  const oci::Digest sbom = add_image({"sbom"});
  set_tag("3.13", add_attested_index({{"linux/amd64", add_image({"layer"})}}, {sbom}));
  manifests_.erase(sbom.str());
  PrefetchImage wanted = image({"3.13"});
  wanted.choice.attestations = true;
  set_list({wanted});
  run();
  EXPECT_EQ(seen("3.13").error, "attestation of linux/amd64: not here");
  EXPECT_TRUE(has_layer("layer"));
  EXPECT_EQ(store_.find_tag(key("3.13"))->digest, tags_.at("3.13"));
}

TEST_F(PrefetchTest, ImageWithoutAnyPlatformKeepsItsOldTag) {
  add_tagged("3.13", "old");
  set_list({image({"3.13"})});
  run();
  const oci::Digest old = tags_.at("3.13");
  const oci::Digest amd64 = add_image({"new"});
  set_tag("3.13", add_index({{"linux/amd64", amd64}}));
  manifests_.erase(amd64.str());
  run();
  EXPECT_EQ(seen("3.13").error, "linux/amd64: not here");
  EXPECT_EQ(store_.find_tag(key("3.13"))->digest, old);
}

TEST_F(PrefetchTest, FailureThatMayPassHoldsTheTag) {
  const oci::Digest arm64 = add_image({"layer b"});
  set_tag("3.13", add_index({{"linux/arm64", arm64}, {"linux/amd64", add_image({"layer a"})}}));
  set_list({image({"3.13"}, {"linux/arm64", "linux/amd64"})});
  prefetcher().start();
  serve(UpstreamKind::kManifestHead);
  answer(*asked(UpstreamKind::kManifestGet));  // The index.
  asked(UpstreamKind::kManifestGet)->fail(ErrorCode::kUnavailable, "later");
  serve();
  EXPECT_EQ(state("3.13"), PrefetchState::kManifests);
  EXPECT_FALSE(store_.find_tag(key("3.13")));
}

TEST_F(PrefetchTest, AttestationsAreFetchedOnRequest) {
  const oci::Digest sbom_a = add_image({"sbom a"});
  const oci::Digest sbom_b = add_image({"sbom b"});
  set_tag("3.13", add_attested_index({{"linux/amd64", add_image({"layer a"})},
                                      {"linux/arm64", add_image({"layer b"})}},
                                     {sbom_a, sbom_b}));
  PrefetchImage wanted = image({"3.13"});
  set_list({wanted});
  run();
  EXPECT_FALSE(has_manifest(sbom_a));
  wanted.choice.attestations = true;
  set_list({wanted});
  run();
  EXPECT_TRUE(has_layer("sbom a"));
  EXPECT_FALSE(has_manifest(sbom_b)) << "the list doesn't have its platform";
}

TEST_F(PrefetchTest, ImageWithoutAnIndexIsFetched) {
  set_tag("3.13", add_image({"layer"}));
  set_list({image({"3.13"}, {"linux/arm64"})});
  run();
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
  EXPECT_TRUE(has_layer("layer"));
  EXPECT_EQ(report().pulls_spent, 1u);
}

TEST_F(PrefetchTest, OnlyAClientsPullIsAFirstPull) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  run();
  EXPECT_TRUE(store_.first_pulls().empty());
  const oci::Digest other = add_image({"other"});
  Asker<ManifestAnswer> client;
  pull(client, other);
  serve(UpstreamKind::kManifestGet);
  EXPECT_TRUE(client.ok());
  EXPECT_EQ(store_.first_pulls(), std::vector{other});
}

TEST_F(PrefetchTest, CurrentImageCostsOneFreeCheck) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  run();
  const std::size_t before = upstream_->requests().size();
  run();
  EXPECT_EQ(state("3.13"), PrefetchState::kCurrent);
  EXPECT_EQ(upstream_->requests().size(), before + 1);
  EXPECT_EQ(upstream_->requests().back()->kind, UpstreamKind::kManifestHead);
  EXPECT_EQ(report().pulls_spent, 0u);
}

// -- which tags

TEST_F(PrefetchTest, ExactTagsNeedNoListOfTags) {
  add_tagged("3.12", "a");
  add_tagged("3.13", "b");
  set_list({image({"3.12", "3.13"})});
  run();
  EXPECT_EQ(upstream_->count(UpstreamKind::kTags), 0u);
  EXPECT_EQ(state("3.12"), PrefetchState::kDone);
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
}

TEST_F(PrefetchTest, PatternSelectsTheMatchingTags) {
  for (const char* tag : {"3.12-slim", "3.13", "3.13-slim"}) add_tagged(tag, tag);
  set_list({image({"3.13", "3.*-slim"})});
  run();
  const auto tags = report().tags;
  ASSERT_EQ(tags.size(), 3u);
  EXPECT_EQ(upstream_->count(UpstreamKind::kTags), 1u);
  for (const PrefetchTag& tag : tags) EXPECT_EQ(tag.state, PrefetchState::kDone);
}

TEST_F(PrefetchTest, ListsOfTagsAreReadPageByPage) {
  for (const char* tag : {"3.11", "3.12", "3.13"}) add_tagged(tag, tag);
  set_list({image({">=3.11"})});
  prefetcher().start();
  const auto first = asked(UpstreamKind::kTags);
  EXPECT_EQ(first->repository, "library/python");
  EXPECT_EQ(first->page.count, 1000u);
  EXPECT_EQ(first->page.last, "");
  first->answer_tags(TagPage{{"3.11", "3.12"}, true});
  const auto second = asked(UpstreamKind::kTags);
  EXPECT_EQ(second->page.last, "3.12");
  second->answer_tags(TagPage{{"3.13"}, false});
  serve();
  EXPECT_EQ(report().tags.size(), 3u);
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
}

TEST_F(PrefetchTest, RegistryWithoutPagingDoesNotCauseEndlessRequests) {
  for (const char* tag : {"3.12", "3.13"}) add_tagged(tag, tag);
  set_list({image({"3.*"})});
  prefetcher().start();
  for (int i = 0; i < 2; ++i) {
    asked(UpstreamKind::kTags)->answer_tags(TagPage{{"3.12", "3.13"}, true});
  }
  EXPECT_EQ(pending(UpstreamKind::kTags), 0u);
  serve();
  EXPECT_EQ(report().tags.size(), 2u);
}

TEST_F(PrefetchTest, CachedTagsAreUsedWhenTheListIsRefused) {
  add_tagged("3.12", "a");
  store_.add_tag(key("3.12"), {tags_.at("3.12"), clock_.wall_now()});
  set_list({image({"3.*"})});
  prefetcher().start();
  asked(UpstreamKind::kTags)->fail(ErrorCode::kDenied, "no lists here");
  serve();
  EXPECT_EQ(state("3.12"), PrefetchState::kDone);
  ASSERT_EQ(report().troubles.size(), 1u);
  EXPECT_NE(report().troubles[0].find("no lists here"), std::string::npos);
  EXPECT_TRUE(report().failed());
}

TEST_F(PrefetchTest, FailedListIsRetriedLater) {
  add_tagged("3.12", "a");
  set_list({image({"3.*"})});
  prefetcher().start();
  asked(UpstreamKind::kTags)->fail(ErrorCode::kCorrupt, "nonsense");
  timers_.advance(seconds(10) - milliseconds(1));
  EXPECT_EQ(pending(UpstreamKind::kTags), 0u);
  EXPECT_EQ(report().waits_for, "nonsense");
  timers_.advance(milliseconds(1));
  serve();
  EXPECT_EQ(state("3.12"), PrefetchState::kDone);
  EXPECT_TRUE(report().troubles.empty());
}

TEST_F(PrefetchTest, TagsAreReportedInListOrder) {
  for (const char* tag : {"3.11", "3.12", "3.13"}) add_tagged(tag, tag);
  set_list({image({"3.1*"}), image({"latest"})});
  set_tag("latest", tags_.at("3.13"));
  run();
  std::vector<std::string> names;
  for (const PrefetchTag& tag : report().tags) names.push_back(tag.tag.tag);
  EXPECT_EQ(names, (std::vector<std::string>{"3.11", "3.12", "3.13", "latest"}));
}

// -- everything is fetched once

TEST_F(PrefetchTest, TagsOfOneImageCostItsPullsOnce) {
  add_tagged("3.13", "layer");
  const std::vector<std::string> tags = {"3", "3.13", "3.13.1", "latest", "bookworm"};
  for (const std::string& tag : tags) set_tag(tag, tags_.at("3.13"));
  set_list({image(tags)});
  run();
  for (const std::string& tag : tags) EXPECT_EQ(state(tag), PrefetchState::kDone) << tag;
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), 2u);
  EXPECT_EQ(report().pulls_spent, 2u);
  EXPECT_EQ(upstream_->count(UpstreamKind::kBlobGet), 2u);
}

TEST_F(PrefetchTest, ManifestFetchedByAClientIsNotFetchedAgain) {
  const oci::Digest index = add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  set_quota(0);
  prefetcher().start();
  serve(UpstreamKind::kManifestHead);
  ASSERT_EQ(state("3.13"), PrefetchState::kWaiting) << "the pull limit is for people";
  Asker<ManifestAnswer> client;
  pull(client, index);
  serve(UpstreamKind::kManifestGet);
  set_quota(100);
  timers_.advance(seconds(300));
  serve();
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
  EXPECT_EQ(report().pulls_spent, 1u) << "for the platform's manifest";
}

TEST_F(PrefetchTest, SharedBlobsAreFetchedOnce) {
  set_tag("a", add_image({"base", "of a"}));
  set_tag("b", add_image({"base", "of b"}));
  set_list({image({"a", "b"})});
  run();
  EXPECT_EQ(state("b"), PrefetchState::kDone);
  EXPECT_EQ(upstream_->count(UpstreamKind::kBlobGet), 5u);
  EXPECT_EQ(seen("a").bytes_total + seen("b").bytes_total, report().bytes_total + 4);
  EXPECT_EQ(report().bytes_done, report().bytes_total);
}

TEST_F(PrefetchTest, BlobsAtATimeAreLimitedByTheList) {
  list_.concurrency = 3;
  set_tag("a", add_image({"1", "2", "3", "4"}));
  set_tag("b", add_image({"5", "6"}));
  set_list({image({"a", "b"})});
  prefetcher().start();
  serve_manifests();
  EXPECT_EQ(pending(UpstreamKind::kBlobGet), 3u);
  answer(*asked(UpstreamKind::kBlobGet));
  EXPECT_EQ(pending(UpstreamKind::kBlobGet), 3u);
  serve();
  EXPECT_EQ(state("b"), PrefetchState::kDone);
}

TEST_F(PrefetchTest, ChecksAndManifestsAtATimeAreLimited) {
  std::vector<std::string> tags;
  for (int i = 0; i < 8; ++i) {
    tags.push_back("v" + std::to_string(i));
    add_tagged(tags.back(), tags.back());
  }
  set_list({image(tags)});
  prefetcher().start();
  EXPECT_EQ(pending(UpstreamKind::kManifestHead), 4u);
  serve(UpstreamKind::kManifestHead);
  EXPECT_EQ(pending(UpstreamKind::kManifestGet), 2u);
  serve();
  for (const std::string& tag : tags) EXPECT_EQ(state(tag), PrefetchState::kDone);
}

TEST_F(PrefetchTest, BlobEvictedDuringTheRunIsFetchedAgain) {
  set_tag("a", add_image({"first", "second"}));
  list_.concurrency = 1;
  set_list({image({"a"})});
  prefetcher().start();
  serve_manifests();
  const auto first = asked(UpstreamKind::kBlobGet);
  const auto evicted = *oci::Digest::parse(first->reference);
  answer(*first);
  timers_.run();
  store_.remove_blob(evicted);
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kFetching);
  timers_.advance(seconds(10));
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
  EXPECT_TRUE(store_.has_blob(evicted));
}

// -- pins

TEST_F(PrefetchTest, PinsOfTheListAreSetAndLifted) {
  add_tagged("3.12", "a");
  add_tagged("3.13", "b");
  PrefetchImage pinned = image({"3.*"});
  pinned.pin = true;
  set_list({pinned, image({"latest"})});
  run();
  EXPECT_EQ(store_.list_pins(), (std::set<TagKey>{key("3.12"), key("3.13")}));
  set_list({image({"3.*"})});
  EXPECT_EQ(store_.list_pins().size(), 2u) << "pins stay until the next run";
  run();
  EXPECT_TRUE(store_.list_pins().empty());
}

TEST_F(PrefetchTest, EmptyListLiftsThePinsAtOnce) {
  add_tagged("3.13", "b");
  PrefetchImage pinned = image({"3.13"});
  pinned.pin = true;
  set_list({pinned});
  run();
  ASSERT_EQ(store_.list_pins().size(), 1u);
  set_list({});
  timers_.run();
  EXPECT_TRUE(store_.list_pins().empty());
}

TEST_F(PrefetchTest, PinsWaitForTheListsOfTags) {
  PrefetchImage pinned = image({"3.13", "3.*-slim"});
  pinned.pin = true;
  set_list({pinned});
  prefetcher().start();
  timers_.run();
  EXPECT_TRUE(store_.list_pins().empty());
  asked(UpstreamKind::kTags)->answer_tags(TagPage{{"3.12-slim"}, false});
  timers_.run();
  EXPECT_EQ(store_.list_pins().size(), 2u);
}

// -- runs

TEST_F(PrefetchTest, RunsAreNumberedAndDoNotOverlap) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  EXPECT_EQ(prefetcher().run(), 0u);
  EXPECT_EQ(prefetcher().start(), 1u);
  EXPECT_EQ(prefetcher().start(), 1u);
  serve();
  EXPECT_EQ(times_ended_, 1);
  EXPECT_EQ(prefetcher().start(), 2u);
}

TEST_F(PrefetchTest, RunThroughAnEmptyListEndsSoon) {
  set_list({});
  prefetcher().start();
  EXPECT_TRUE(prefetcher().running()) << "a run must not end inside the call that starts it";
  timers_.run();
  EXPECT_FALSE(prefetcher().running());
  EXPECT_EQ(times_ended_, 1);
}

TEST_F(PrefetchTest, NextRunMayStartInsideTheEndOfTheLast) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  prefetcher().on_ended([this] {
    if (++times_ended_ == 1) prefetcher().start();
  });
  prefetcher().start();
  serve();
  EXPECT_EQ(times_ended_, 2);
  EXPECT_EQ(prefetcher().run(), 2u);
  EXPECT_EQ(state("3.13"), PrefetchState::kCurrent);
}

TEST_F(PrefetchTest, CacheMayBeDestroyedDuringARun) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13"})});
  prefetcher().start();
  serve_manifests();
  const auto blob = asked(UpstreamKind::kBlobGet);
  cache_.reset();
  EXPECT_TRUE(blob->cancelled());
  timers_.advance(seconds(60));
}

}  // namespace
}  // namespace layby::cache
