// SPDX-License-Identifier: Apache-2.0
//
// When a run waits or ends: clients come first, the run keeps to its rate, and an order stops the
// run. Also tests failures, throttling, a pull limit that is nearly used up, and a link that is
// down.

#include "cache/prefetch_test.h"

namespace layby::cache {
namespace {

class PrefetchWaitsTest : public PrefetchTest {
 protected:
  void SetUp() override {
    PrefetchTest::SetUp();
    list_.concurrency = 1;
    set_tag("a", add_image({layer_}));
    set_list({image({"a"})});
  }

  // Starts a run, and begins to send its first blob.
  Request start_blob() {
    prefetcher().start();
    serve_manifests();
    const Request blob = asked(UpstreamKind::kBlobGet);
    blob->start(0, blobs_.at(blob->reference).size());
    timers_.run();
    return blob;
  }
  std::string_view bytes_of(const Request& blob) const { return blobs_.at(blob->reference); }
  static oci::Digest digest_of(const Request& blob) { return *oci::Digest::parse(blob->reference); }
  void open_python(BlobAsker& asker, const oci::Digest& digest) {
    asker.handle = cache_->open_blob(hub(), "library/python", digest, asker.done());
    timers_.run();
  }
  void end(const Request& blob, std::size_t from = 0) {
    blob->send(bytes_of(blob).substr(from));
    blob->end({});
    timers_.run();
  }

  const std::string layer_ = std::string(500, 'x');
};

// -- clients come first

TEST_F(PrefetchWaitsTest, ClientMakesTheRunsFillItsOwn) {
  const Request blob = start_blob();
  ASSERT_EQ(cache_->fills().size(), 1u);
  EXPECT_TRUE(cache_->fills()[0].background);
  BlobAsker client;
  open_python(client, digest_of(blob));
  EXPECT_TRUE(client.reading());
  EXPECT_FALSE(cache_->fills()[0].background);
  EXPECT_EQ(pending(UpstreamKind::kBlobGet), 1u);
  EXPECT_EQ(counters_.blob_shared, 1u);
  EXPECT_FALSE(blob->paused());
  end(blob);
  EXPECT_TRUE(client.whole());
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
  EXPECT_EQ(upstream_->count(UpstreamKind::kBlobGet), 2u);
}

TEST_F(PrefetchWaitsTest, ClientsBlobPausesTheRunsBlobUntilItHasCome) {
  const Request blob = start_blob();
  BlobAsker client;
  open_python(client, add_blob("a client's"));
  EXPECT_TRUE(blob->paused());
  const Request of_client = upstream_->pending().back();
  EXPECT_FALSE(of_client->paused());
  of_client->start(0, 10);
  timers_.run();
  EXPECT_TRUE(blob->paused());
  end(of_client);
  EXPECT_FALSE(blob->paused());
  end(blob);
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
}

TEST_F(PrefetchWaitsTest, ClientsBlobThatFailsEndsThePause) {
  const Request blob = start_blob();
  BlobAsker client;
  open_python(client, add_blob("a client's"));
  ASSERT_TRUE(blob->paused());
  upstream_->pending().back()->fail(ErrorCode::kNotFound);
  timers_.run();
  EXPECT_FALSE(blob->paused());
}

TEST_F(PrefetchWaitsTest, BlobBegunWhileAClientWaitsIsNotSent) {
  BlobAsker client;
  open_python(client, add_blob("a client's"));
  const Request of_client = upstream_->only_pending();
  prefetcher().start();
  serve_manifests();
  EXPECT_EQ(pending(UpstreamKind::kBlobGet), 1u);
  of_client->start(0, 10);
  end(of_client);
  EXPECT_FALSE(asked(UpstreamKind::kBlobGet)->paused());
}

TEST_F(PrefetchWaitsTest, ClientsStoredBlobPausesNothing) {
  const Request blob = start_blob();
  BlobAsker client;
  open_python(client, store_.add_blob("stored"));
  EXPECT_FALSE(blob->paused());
}

TEST_F(PrefetchWaitsTest, RunUsesWhatClientsFetchMeanwhile) {
  const Request blob = start_blob();
  const oci::Digest other = digest_of(blob) == oci::Digest::of(layer_)
                                ? oci::Digest::of("config of " + layer_)
                                : oci::Digest::of(layer_);
  store_.add_blob(blobs_.at(other.str()));
  end(blob);
  EXPECT_EQ(state("a"), PrefetchState::kDone);
  EXPECT_EQ(upstream_->count(UpstreamKind::kBlobGet), 1u);
}

// -- the list's rate

TEST_F(PrefetchWaitsTest, RateIsKeptByPausing) {
  list_.max_rate = 1000;
  set_list({image({"a"})});
  const Request blob = start_blob();
  blob->send(bytes_of(blob).substr(0, 400));
  EXPECT_TRUE(blob->paused());
  timers_.advance(milliseconds(250));
  EXPECT_TRUE(blob->paused()) << "the burst is a tenth of a second";
  timers_.advance(milliseconds(150));
  EXPECT_FALSE(blob->paused());
}

TEST_F(PrefetchWaitsTest, ClientsFillIsNotHeldToTheRate) {
  list_.max_rate = 1000;
  set_list({image({"a"})});
  const Request blob = start_blob();
  blob->send(bytes_of(blob).substr(0, 400));
  ASSERT_TRUE(blob->paused());
  BlobAsker client;
  open_python(client, digest_of(blob));
  EXPECT_FALSE(blob->paused());
  blob->send(bytes_of(blob).substr(400, 50));
  EXPECT_FALSE(blob->paused());
}

TEST_F(PrefetchWaitsTest, NewRateEndsTheWaitOfTheOldRate) {
  list_.max_rate = 1;
  set_list({image({"a"})});
  const Request blob = start_blob();
  blob->send(bytes_of(blob).substr(0, 400));
  ASSERT_TRUE(blob->paused());
  list_.max_rate = 0;
  set_list({image({"a"})});
  run();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
}

// -- the end

TEST_F(PrefetchWaitsTest, StopEndsTransfersAndKeepsTheirBytes) {
  const Request blob = start_blob();
  blob->send(bytes_of(blob).substr(0, 200));
  timers_.run();
  prefetcher().stop();
  EXPECT_TRUE(blob->cancelled());
  EXPECT_EQ(store_.partial(digest_of(blob))->size(), 200u);
  EXPECT_EQ(state("a"), PrefetchState::kStopped);
  EXPECT_TRUE(report().stopped);
  EXPECT_TRUE(report().over);
  EXPECT_FALSE(prefetcher().running());
  timers_.advance(seconds(120));
  EXPECT_EQ(times_ended_, 0) << "on_ended() is not called after stop()";
  EXPECT_TRUE(upstream_->pending().empty());
  EXPECT_TRUE(cache_->fills().empty());
}

TEST_F(PrefetchWaitsTest, NextRunGoesOnWhereTheLastStopped) {
  const Request blob = start_blob();
  blob->send(bytes_of(blob).substr(0, 200));
  timers_.run();
  prefetcher().stop();
  EXPECT_EQ(prefetcher().start(), 2u);
  serve_manifests();
  const Request again = asked(UpstreamKind::kBlobGet);
  EXPECT_EQ(again->reference, blob->reference);
  EXPECT_EQ(again->offset, 200u);
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
  EXPECT_EQ(report().pulls_spent, 0u) << "the manifest is already stored";
}

TEST_F(PrefetchWaitsTest, StopDoesNotEndAClientsBlob) {
  const Request blob = start_blob();
  BlobAsker client;
  open_python(client, digest_of(blob));
  prefetcher().stop();
  EXPECT_FALSE(blob->cancelled());
  end(blob);
  EXPECT_TRUE(client.whole());
  EXPECT_TRUE(store_.has_blob(digest_of(blob)));
}

TEST_F(PrefetchWaitsTest, StopDoesNotEndABlobFetchedForAnotherReason) {
  const Request blob = start_blob();
  cache_->fetch_blob(hub(), "library/python", digest_of(blob));
  prefetcher().stop();
  EXPECT_FALSE(blob->cancelled());
  end(blob);
  EXPECT_TRUE(store_.has_blob(digest_of(blob)));
}

TEST_F(PrefetchWaitsTest, StopEndsChecksAndLists) {
  set_list({image({"a", "3.*"})});
  prefetcher().start();
  timers_.run();
  ASSERT_EQ(upstream_->pending().size(), 2u);
  prefetcher().stop();
  EXPECT_TRUE(upstream_->pending().empty());
  prefetcher().stop();
  EXPECT_EQ(state("a"), PrefetchState::kStopped);
}

// -- failures

TEST_F(PrefetchWaitsTest, FailedBlobIsRetriedWithGrowingBackoff) {
  const Request first = start_blob();
  first->fail(ErrorCode::kCorrupt, "nonsense");
  for (const seconds pause : {seconds(10), seconds(20), seconds(40), seconds(80)}) {
    timers_.run();
    EXPECT_EQ(report().waits_for, "nonsense");
    timers_.advance(pause - milliseconds(1));
    EXPECT_EQ(pending(UpstreamKind::kBlobGet), 0u) << pause.count();
    timers_.advance(milliseconds(1));
    ASSERT_EQ(pending(UpstreamKind::kBlobGet), 1u) << pause.count();
    EXPECT_EQ(report().waits_for, "");
    asked(UpstreamKind::kBlobGet)->fail(ErrorCode::kCorrupt, "nonsense");
  }
  timers_.run();
  EXPECT_EQ(state("a"), PrefetchState::kFailed);
  EXPECT_EQ(seen("a").error, "nonsense");
  EXPECT_EQ(times_ended_, 1);
  EXPECT_TRUE(report().failed());
}

TEST_F(PrefetchWaitsTest, SuccessResetsTheCountOfFailures) {
  const Request first = start_blob();
  first->fail(ErrorCode::kCorrupt);
  for (const seconds pause : {seconds(10), seconds(20), seconds(40)}) {
    timers_.advance(pause);
    asked(UpstreamKind::kBlobGet)->fail(ErrorCode::kCorrupt);
  }
  timers_.advance(seconds(80));
  answer(*asked(UpstreamKind::kBlobGet));
  asked(UpstreamKind::kBlobGet)->fail(ErrorCode::kCorrupt);
  timers_.advance(seconds(10));
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
}

TEST_F(PrefetchWaitsTest, ChecksAndManifestsAreRetriedToo) {
  prefetcher().start();
  asked(UpstreamKind::kManifestHead)->fail(ErrorCode::kCorrupt);
  timers_.advance(seconds(10));
  answer(*asked(UpstreamKind::kManifestHead));
  asked(UpstreamKind::kManifestGet)->fail(ErrorCode::kCorrupt);
  EXPECT_EQ(pending(UpstreamKind::kManifestGet), 0u);
  timers_.advance(seconds(10));
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
  EXPECT_EQ(report().pulls_spent, 2u);
}

TEST_F(PrefetchWaitsTest, RefusedImageFailsAtOnceAndOthersGoOn) {
  for (const char* tag : {"b", "c", "d"}) set_tag(tag, add_image({tag}));
  list_.concurrency = 64;
  set_list({image({"a", "b", "c", "d"})});
  prefetcher().start();
  timers_.run();
  const auto heads = upstream_->pending();
  ASSERT_EQ(heads.size(), 4u);
  heads[0]->fail(ErrorCode::kNotFound, "no such tag");
  for (int i = 1; i < 4; ++i) answer(*heads[i]);
  asked(UpstreamKind::kManifestGet)->fail(ErrorCode::kDenied, "not yours");
  serve_manifests();
  asked(UpstreamKind::kBlobGet)->fail(ErrorCode::kNotFound, "no such blob");
  serve();
  EXPECT_EQ(seen("a").error, "no such tag");
  EXPECT_EQ(seen("b").error, "not yours");
  EXPECT_EQ(seen("c").error, "no such blob");
  EXPECT_EQ(state("c"), PrefetchState::kFailed);
  EXPECT_EQ(state("d"), PrefetchState::kDone);
  EXPECT_FALSE(prefetcher().running());
}

TEST_F(PrefetchWaitsTest, CheckWithoutADigestFailsAtOnce) {
  prefetcher().start();
  asked(UpstreamKind::kManifestHead)->answer_manifest_head(ManifestHead{});
  timers_.run();
  EXPECT_EQ(state("a"), PrefetchState::kFailed);
}

TEST_F(PrefetchWaitsTest, BlobThatCannotBeStoredFailsAtOnce) {
  store_.fail(Step::kWrite, {ErrorCode::kNoSpace, "the disk is full"});
  prefetcher().start();
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kFailed);
  EXPECT_FALSE(prefetcher().running());
}

// -- throttling and the pull limit

TEST_F(PrefetchWaitsTest, ThrottledBlobWaitsForTheStatedTime) {
  Request blob = start_blob();
  for (int i = 0; i < 7; ++i) {
    blob->fail(Error{ErrorCode::kThrottled, "too many requests", seconds(90)});
    timers_.advance(seconds(90) - milliseconds(1));
    EXPECT_EQ(pending(UpstreamKind::kBlobGet), 0u);
    EXPECT_EQ(report().waits_for, "docker.io asked to wait (429)");
    EXPECT_EQ(state("a"), PrefetchState::kFetching);
    timers_.advance(milliseconds(1));
    blob = asked(UpstreamKind::kBlobGet);
  }
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
}

TEST_F(PrefetchWaitsTest, ThrottledPullsDoNotStopBlobs) {
  set_tag("b", add_image({"layer of b"}));
  set_list({image({"a", "b"})});
  prefetcher().start();
  serve(UpstreamKind::kManifestHead);
  answer(*asked(UpstreamKind::kManifestGet));
  set_quota(0);
  asked(UpstreamKind::kManifestGet)->fail(Error{ErrorCode::kThrottled, "429", seconds(3600)});
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kDone) << "blobs do not count as pulls";
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), 2u);
  set_quota(100);
  timers_.advance(seconds(3600));
  serve();
  timers_.advance(seconds(300));
  serve();
  EXPECT_EQ(state("b"), PrefetchState::kDone);
}

TEST_F(PrefetchWaitsTest, RunNearTheReserveWaitsAndThenChecksTheLimitAgain) {
  set_quota(20);
  prefetcher().start();
  serve();
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), 0u);
  const std::string reason = "the rest of the pull limit of docker.io is reserved for people";
  EXPECT_EQ(report().waits_for, reason);
  timers_.advance(seconds(150));
  EXPECT_EQ(report().waits_for, reason) << "the run still waits for the same reason";
  EXPECT_EQ(upstream_->requests().size(), 1u);
  timers_.advance(seconds(66));
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestHead);
  set_quota(100);
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
}

TEST_F(PrefetchWaitsTest, RunGoesOnWaitingWhileTheLimitIsNear) {
  set_quota(20);
  prefetcher().start();
  serve();
  timers_.advance(seconds(216));
  serve();
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestHead), 2u);
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), 0u);
  EXPECT_TRUE(prefetcher().running());
}

TEST_F(PrefetchWaitsTest, OneRegistrysLimitDoesNotHoldUpAnother) {
  PrefetchImage elsewhere = image({"b"});
  elsewhere.origin = &other();
  set_list({image({"a"}), elsewhere});
  set_quota(0);
  prefetcher().start();
  serve();
  const oci::Digest digest = add_image({"layer of b"});
  const ManifestBody& body = manifests_.at(digest.str());
  other_upstream_->only_pending()->answer_manifest_head(
      ManifestHead{digest, body.media_type, body.bytes.size()});
  timers_.run();
  EXPECT_EQ(other_upstream_->only_pending()->kind, UpstreamKind::kManifestGet);
}

// -- links that are down

TEST_F(PrefetchWaitsTest, RunWaitsWhileTheLinkIsDown) {
  const Request blob = start_blob();
  blob->fail(ErrorCode::kTimedOut);
  timers_.run();
  for (int i = 0; i < 200; ++i) {
    timers_.advance(seconds(5));
    if (upstream_->pings().back()->pending()) upstream_->pings().back()->fail(ErrorCode::kTimedOut);
  }
  EXPECT_EQ(pending(UpstreamKind::kBlobGet), 0u);
  EXPECT_EQ(report().waits_for, "docker.io is down");
  EXPECT_EQ(state("a"), PrefetchState::kFetching);
  timers_.advance(seconds(5));
  upstream_->pings().back()->answer_ping({});
  timers_.advance(seconds(5));
  serve();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
}

TEST_F(PrefetchWaitsTest, RunUsesHalfOfTheRequestsAMinute) {
  guard_rules_.requests_per_minute = 4;
  make_cache();
  set_list({image({"a"})});
  prefetcher().start();
  serve();
  EXPECT_EQ(upstream_->requests().size(), 1u) << "two a minute would be more than half of three";
  EXPECT_EQ(report().waits_for, "requests_per_minute of docker.io");
  for (int i = 0; i < 4; ++i) {
    timers_.advance(seconds(60));
    serve();
  }
  EXPECT_EQ(state("a"), PrefetchState::kDone);
}

}  // namespace
}  // namespace layby::cache
