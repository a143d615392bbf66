// SPDX-License-Identifier: Apache-2.0
//
// The guard's limits: the requests in a minute, the backoff after a 429, and the reserve of
// the pull limit for people.

#include "cache/guard_test.h"

namespace layby::cache {
namespace {

class GuardLimitsTest : public GuardTest {
 protected:
  // Makes a guard that allows at most `count` requests in any minute.
  void allow(int count) {
    rules_.requests_per_minute = count + 1;
    make_guard();
  }
  seconds quiet() const { return guard_->status().throttled_for; }
  seconds pulls_quiet() const { return guard_->status().pulls_throttled_for; }
  static Error throttled(std::optional<seconds> retry_after = std::nullopt) {
    return {ErrorCode::kThrottled, "fake upstream", retry_after};
  }
};

// -- requests per minute

TEST_F(GuardLimitsTest, RequestWaitsForASlotInTheMinute) {
  allow(2);
  answer_list();
  answer_list();
  clock_.advance(seconds(45));
  Asker<TagPage> third;
  list(third);
  EXPECT_TRUE(inner_->pending().empty());
  timers_.advance(seconds(15) - milliseconds(1));
  EXPECT_TRUE(inner_->pending().empty());
  timers_.advance(milliseconds(1));
  inner_->only_pending()->answer_tags(TagPage{});
  EXPECT_TRUE(third.ok());
}

TEST_F(GuardLimitsTest, WaitingRequestsDoNotAllGoAtOnce) {
  allow(2);
  answer_list();
  clock_.advance(seconds(10));
  answer_list();
  clock_.advance(seconds(45));
  Asker<TagPage> third, fourth;
  list(third);
  list(fourth);
  timers_.advance(seconds(5));
  EXPECT_EQ(inner_->pending().size(), 1u);
  timers_.advance(seconds(10) - milliseconds(1));
  EXPECT_EQ(inner_->pending().size(), 1u);
  timers_.advance(milliseconds(1));
  EXPECT_EQ(inner_->pending().size(), 2u);
}

TEST_F(GuardLimitsTest, RequestThatFindsNoSlotAfterItsWaitFails) {
  allow(1);
  answer_list();
  clock_.advance(seconds(45));
  Asker<TagPage> second, third;
  list(second);
  list(third);
  timers_.advance(seconds(15));
  EXPECT_EQ(inner_->pending().size(), 1u);
  EXPECT_EQ(third.error(), ErrorCode::kThrottled);
  EXPECT_FALSE(second.answered());
}

TEST_F(GuardLimitsTest, RequestWhoseSlotIsTooFarAwayFailsSoon) {
  allow(1);
  answer_list();
  clock_.advance(seconds(30));
  std::optional<Error> error;
  const Handle handle = guard_->get_tags("library/debian", {}, [&](const Result<TagPage>& page) {
    if (!page.ok()) error = page.error();
  });
  EXPECT_FALSE(error) << "a request must not fail inside the call that begins it";
  timers_.run();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kThrottled);
  EXPECT_EQ(error->retry_after, seconds(30));
  EXPECT_NE(error->message.find("requests_per_minute"), std::string::npos);
  EXPECT_EQ(inner_->requests().size(), 1u);
}

TEST_F(GuardLimitsTest, QuickCheckWaitsNoLongerThanItsDeadline) {
  allow(1);
  answer_list();
  clock_.advance(seconds(57));
  Asker<ManifestHead> quick, patient;
  head(quick, seconds(2));
  head(patient, seconds(10));
  timers_.run();
  EXPECT_EQ(quick.error(), ErrorCode::kThrottled);
  EXPECT_FALSE(patient.answered());
  timers_.advance(seconds(3));
  EXPECT_EQ(inner_->only_pending()->deadline, seconds(7)) << "the wait counts against the deadline";
}

TEST_F(GuardLimitsTest, RequestDroppedWhileWaitingIsNotSent) {
  allow(1);
  answer_list();
  clock_.advance(seconds(45));
  Asker<TagPage> dropped, other;
  list(dropped);
  list(other);
  dropped.handle.reset();
  timers_.advance(seconds(15));
  EXPECT_FALSE(dropped.answered());
  EXPECT_EQ(inner_->pending().size(), 1u) << "the dropped request leaves its slot to the other";
}

TEST_F(GuardLimitsTest, RequestDroppedUnderWayIsCancelled) {
  Asker<TagPage> asker;
  list(asker);
  const auto request = inner_->only_pending();
  asker.handle.reset();
  EXPECT_TRUE(request->cancelled());
}

TEST_F(GuardLimitsTest, BlobPausedWhileWaitingBeginsPaused) {
  allow(1);
  answer_list();
  clock_.advance(seconds(45));
  BlobTaker blob;
  open(blob);
  EXPECT_TRUE(inner_->pending().empty());
  blob.transfer->pause();
  timers_.advance(seconds(15));
  EXPECT_TRUE(inner_->only_pending()->paused());
  blob.transfer->resume();
  EXPECT_FALSE(inner_->only_pending()->paused());
}

TEST_F(GuardLimitsTest, BlobResumedWhileWaitingBeginsUnpaused) {
  allow(1);
  answer_list();
  clock_.advance(seconds(45));
  BlobTaker blob;
  open(blob);
  blob.transfer->pause();
  blob.transfer->resume();
  timers_.advance(seconds(15));
  EXPECT_FALSE(inner_->only_pending()->paused());
}

TEST_F(GuardLimitsTest, WaitingBlobsDoNotAllGoAtOnce) {
  allow(1);
  answer_list();
  clock_.advance(seconds(45));
  BlobTaker first, second;
  open(first);
  open(second);
  timers_.advance(seconds(15));
  EXPECT_EQ(inner_->pending().size(), 1u);
  EXPECT_EQ(second.error(), ErrorCode::kThrottled);
}

TEST_F(GuardLimitsTest, BlobWhoseSlotIsTooFarAwayFailsSoon) {
  allow(1);
  answer_list();
  clock_.advance(seconds(20));
  BlobTaker blob;
  open(blob);
  EXPECT_FALSE(blob.ended);
  timers_.run();
  EXPECT_EQ(blob.error(), ErrorCode::kThrottled);
  EXPECT_EQ(inner_->requests().size(), 1u);
}

TEST_F(GuardLimitsTest, BlobDroppedWhileWaitingIsNotRequested) {
  allow(1);
  answer_list();
  clock_.advance(seconds(45));
  BlobTaker blob;
  open(blob);
  blob.transfer.reset();
  timers_.advance(seconds(60));
  EXPECT_EQ(inner_->requests().size(), 1u);
  EXPECT_FALSE(blob.ended);
}

TEST_F(GuardLimitsTest, NothingWaitsWithoutALimit) {
  rules_.requests_per_minute = 0;
  make_guard();
  for (int i = 0; i < 1000; ++i) answer_list();
  EXPECT_EQ(guard_->patience(Ask::kBlob).wait.count(), 0);
}

TEST_F(GuardLimitsTest, BackgroundUsesHalfOfTheMinute) {
  allow(7);
  answer_list();
  answer_list();
  EXPECT_EQ(guard_->patience(Ask::kBlob).wait.count(), 0);
  clock_.advance(seconds(10));
  answer_list();
  const Patience patience = guard_->patience(Ask::kBlob);
  EXPECT_EQ(patience.wait, seconds(50));
  EXPECT_EQ(patience.reason, "requests_per_minute of docker.io");
  answer_list();  // A client's request isn't delayed.
}

// -- 429

TEST_F(GuardLimitsTest, UsedUpPullLimitStopsOnlyManifests) {
  set_quota(0);
  fail_get(throttled());
  EXPECT_EQ(refused(Ask::kManifest), ErrorCode::kThrottled);
  for (const Ask ask : {Ask::kTagCheck, Ask::kUnknownTag, Ask::kBlob, Ask::kList}) {
    EXPECT_EQ(refused(ask), kNotRefused);
    EXPECT_EQ(guard_->patience(ask).wait.count(), 0);
  }
  EXPECT_EQ(guard_->patience(Ask::kManifest).wait, seconds(60));
  EXPECT_EQ(pulls_quiet(), seconds(60));
  EXPECT_EQ(quiet(), seconds(0));
  answer_list();  // The minute still allows requests.
}

TEST_F(GuardLimitsTest, AnyOther429StopsEverything) {
  set_quota(1);
  fail_get(throttled());
  for (const Ask ask : {Ask::kTagCheck, Ask::kUnknownTag, Ask::kManifest, Ask::kBlob, Ask::kList}) {
    EXPECT_EQ(refused(ask), ErrorCode::kThrottled);
    EXPECT_EQ(guard_->patience(ask).wait, seconds(60));
  }
  EXPECT_EQ(quiet(), seconds(60));
  EXPECT_EQ(pulls_quiet(), seconds(60));
  EXPECT_EQ(link(), Link::kClosed) << "a 429 is an answer";
}

TEST_F(GuardLimitsTest, A429OfANonManifestStopsEverything) {
  set_quota(0);
  fail_list(throttled());
  EXPECT_EQ(refused(Ask::kBlob), ErrorCode::kThrottled);
}

TEST_F(GuardLimitsTest, A429UsesUpTheMinute) {
  fail_list(throttled(seconds(1)));
  clock_.advance(seconds(2));
  EXPECT_EQ(refused(Ask::kList), kNotRefused);
  Asker<TagPage> asker;
  list(asker);
  timers_.run();
  EXPECT_EQ(asker.error(), ErrorCode::kThrottled) << "its slot is 58 s away";
  EXPECT_EQ(inner_->requests().size(), 1u);
}

TEST_F(GuardLimitsTest, WaitingRequestIsNotSentDuringTheBackoff) {
  allow(2);
  answer_list();
  clock_.advance(seconds(35));
  Asker<TagPage> under_way, waiting;
  list(under_way);
  list(waiting);
  inner_->only_pending()->fail(throttled());
  timers_.advance(seconds(25));
  EXPECT_TRUE(inner_->pending().empty());
  EXPECT_EQ(waiting.error(), ErrorCode::kThrottled);
}

TEST_F(GuardLimitsTest, BackoffEndsAfterTheStatedTime) {
  fail_list(throttled(seconds(90)));
  EXPECT_EQ(guard_->why_not(Ask::kBlob)->retry_after, seconds(90));
  clock_.advance(seconds(89));
  EXPECT_EQ(guard_->why_not(Ask::kBlob)->retry_after, seconds(1));
  clock_.advance(seconds(1));
  EXPECT_EQ(refused(Ask::kBlob), kNotRefused);
  EXPECT_EQ(quiet(), seconds(0));
}

TEST_F(GuardLimitsTest, RetryAfterIsHonouredForAtMostTenMinutes) {
  set_quota(0);
  fail_get(throttled(std::chrono::hours(24 * 365)));
  EXPECT_EQ(pulls_quiet(), std::chrono::minutes(10));
}

TEST_F(GuardLimitsTest, A429OfATokenServerQuietsOneRepository) {
  Error error = throttled(seconds(90));
  error.extent = Extent::kRepository;
  fail_list(error);
  for (const Ask ask : {Ask::kTagCheck, Ask::kManifest, Ask::kBlob, Ask::kList}) {
    EXPECT_EQ(refused(ask), kNotRefused);
    EXPECT_EQ(guard_->patience(ask).wait.count(), 0);
  }
  EXPECT_EQ(quiet(), seconds(0));
  const std::size_t before = inner_->requests().size();
  Asker<ManifestBody> same, other;
  get(same);
  other.handle = guard_->get_manifest("library/python", tag_, other.done());
  timers_.run();
  EXPECT_EQ(same.error(), ErrorCode::kThrottled);
  EXPECT_FALSE(other.answered());
  EXPECT_EQ(inner_->requests().size(), before + 1);
  timers_.advance(seconds(90));
  Asker<ManifestBody> later;
  get(later);
  EXPECT_EQ(inner_->requests().size(), before + 2);
}

TEST_F(GuardLimitsTest, A429OfACdnQuietsOneBlob) {
  BlobTaker first, same, other;
  open(first);
  Error error = throttled(seconds(90));
  error.extent = Extent::kContent;
  inner_->only_pending()->fail(error);
  EXPECT_EQ(refused(Ask::kBlob), kNotRefused);
  open(same);
  other.transfer = guard_->get_blob("library/debian", oci::Digest::of("another blob"), 0, other);
  timers_.run();
  EXPECT_EQ(same.error(), ErrorCode::kThrottled);
  ASSERT_TRUE(same.ended);
  EXPECT_EQ(same.ended->error().retry_after, seconds(90));
  EXPECT_FALSE(other.ended);
  inner_->only_pending()->start(0, 3);
  EXPECT_TRUE(other.started);
}

TEST_F(GuardLimitsTest, ShorterBackoffDoesNotEndALongerOne) {
  Asker<TagPage> first, second;
  list(first);
  list(second);
  const auto requests = inner_->pending();
  requests[0]->fail(throttled(seconds(300)));
  requests[1]->fail(throttled(seconds(10)));
  EXPECT_EQ(quiet(), seconds(300));
}

TEST_F(GuardLimitsTest, UnstatedBackoffDoublesUpTo10Minutes) {
  for (const int minutes : {1, 2, 4, 8, 10, 10}) {
    fail_list(throttled());
    EXPECT_EQ(quiet(), std::chrono::minutes(minutes));
    clock_.advance(std::chrono::minutes(minutes));
  }
}

TEST_F(GuardLimitsTest, GoodAnswerEndsTheDoubling) {
  fail_list(throttled());
  clock_.advance(seconds(60));
  answer_list();
  fail_list(throttled());
  EXPECT_EQ(quiet(), seconds(60));
}

TEST_F(GuardLimitsTest, RequestsThrottledTogetherDoNotDoubleTheBackoff) {
  Asker<TagPage> askers[4];
  for (auto& asker : askers) list(asker);
  for (const auto& request : inner_->pending()) request->fail(throttled());
  EXPECT_EQ(quiet(), seconds(60));
}

TEST_F(GuardLimitsTest, RequestThatA429OfItsPartStopsSpendsNoTurn) {
  allow(2);
  answer_list();
  clock_.advance(seconds(10));
  BlobTaker first, same;
  open(first);
  clock_.advance(seconds(35));
  open(same);
  Asker<TagPage> other;
  list(other);
  Error error = throttled(seconds(90));
  error.extent = Extent::kContent;
  inner_->only_pending()->fail(error);
  timers_.advance(seconds(15));
  EXPECT_EQ(same.error(), ErrorCode::kThrottled);
  EXPECT_EQ(inner_->only_pending()->kind, testing::UpstreamKind::kTags);
}

TEST_F(GuardLimitsTest, A429TellsTheLineAtOnce) {
  allow(1);
  Asker<TagPage> under_way, waiting;
  list(under_way);
  clock_.advance(seconds(35));
  list(waiting);
  inner_->only_pending()->fail(throttled());
  timers_.run();
  EXPECT_EQ(waiting.error(), ErrorCode::kThrottled);
}

// -- a link that fails during the wait

TEST_F(GuardLimitsTest, TimeOutEndsTheRequestsInTheLine) {
  allow(1);
  Asker<TagPage> under_way, waiting;
  BlobTaker blob;
  list(under_way);
  clock_.advance(seconds(35));
  list(waiting);
  open(blob);
  inner_->only_pending()->fail(ErrorCode::kTimedOut);
  timers_.run();
  EXPECT_EQ(link(), Link::kOpen);
  EXPECT_EQ(waiting.error(), ErrorCode::kUnavailable);
  EXPECT_EQ(blob.error(), ErrorCode::kUnavailable);
  timers_.advance(seconds(60));
  EXPECT_EQ(inner_->requests().size(), 1u);
}

TEST_F(GuardLimitsTest, FailuresEndTheRequestsInTheLineAndNoOthers) {
  allow(4);
  Asker<TagPage> under_way[4];
  for (auto& asker : under_way) list(asker);
  clock_.advance(seconds(35));
  std::optional<Error> error;
  const Handle waiting = guard_->get_tags("library/debian", {}, [&](const Result<TagPage>& page) {
    if (!page.ok()) error = page.error();
  });
  for (int i = 0; i < 3; ++i) inner_->fail(Error{ErrorCode::kUnavailable, "fake upstream"});
  timers_.run();
  EXPECT_EQ(link(), Link::kOpen);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kUnavailable);
  EXPECT_FALSE(error->declined) << "the caller may try again, as after any other cut";
  EXPECT_FALSE(under_way[3].answered());
}

TEST_F(GuardLimitsTest, NoRequestWaitsForItsTurnWhileTheLinkIsDown) {
  allow(1);
  fail_list(ErrorCode::kTimedOut);
  clock_.advance(seconds(35));
  Asker<TagPage> asker;
  BlobTaker blob;
  list(asker);
  open(blob);
  timers_.run();
  EXPECT_EQ(asker.error(), ErrorCode::kUnavailable);
  EXPECT_EQ(blob.error(), ErrorCode::kUnavailable);
}

TEST_F(GuardLimitsTest, TimeOutEndsABlobThatWaitsForItsSlot) {
  rules_.max_blob_transfers = 1;
  make_guard();
  BlobTaker first, second;
  open(first);
  open(second);
  inner_->only_pending()->start(0, 3);
  Asker<TagPage> asker;
  list(asker);
  inner_->pending().back()->fail(ErrorCode::kTimedOut);
  timers_.run();
  EXPECT_EQ(second.error(), ErrorCode::kUnavailable);
  EXPECT_FALSE(first.ended) << "it has bytes";
}

TEST_F(GuardLimitsTest, NoHedgeIsSentWhileTheLinkIsDown) {
  BlobTaker blob;
  open(blob);
  const auto hung = inner_->only_pending();
  hung->note_sent();
  for (int i = 0; i < 3; ++i) {
    Asker<TagPage> asker;
    list(asker);
    inner_->requests().back()->fail(ErrorCode::kUnavailable);
  }
  timers_.run();
  ASSERT_EQ(link(), Link::kOpen);
  ASSERT_TRUE(hung->pending()) << "failures end no request that was sent";
  EXPECT_FALSE(blob.transfer->hedge());
  EXPECT_EQ(inner_->count(testing::UpstreamKind::kBlobGet), 1u);
  inner_->pings().back()->answer_ping({});
  ASSERT_EQ(link(), Link::kClosed);
  EXPECT_TRUE(blob.transfer->hedge());
}

// A hedge may still be answered, and its outcome says more about the link.
TEST_F(GuardLimitsTest, TimeOutBesideAHedgeSaysNothingAboutTheLink) {
  BlobTaker blob;
  open(blob);
  const auto first = inner_->only_pending();
  first->note_sent();
  ASSERT_TRUE(blob.transfer->hedge());
  const auto hedge = inner_->requests().back();
  first->end(Error{ErrorCode::kTimedOut, "fake upstream"});
  EXPECT_EQ(link(), Link::kClosed);
  hedge->start(0, 3);
  EXPECT_EQ(link(), Link::kClosed);
}

TEST_F(GuardLimitsTest, TimeOutOfTheLastRequestForABlobTakesTheLinkDown) {
  BlobTaker blob;
  open(blob);
  const auto first = inner_->only_pending();
  first->note_sent();
  ASSERT_TRUE(blob.transfer->hedge());
  const auto hedge = inner_->requests().back();
  first->end(Error{ErrorCode::kTimedOut, "fake upstream"});
  hedge->end(Error{ErrorCode::kTimedOut, "fake upstream"});
  EXPECT_EQ(link(), Link::kOpen);
  EXPECT_EQ(blob.error(), ErrorCode::kTimedOut);
}

TEST_F(GuardLimitsTest, RequestWithoutTimeLeftKeepsADeadline) {
  Asker<ManifestHead> check;
  head(check, milliseconds(0));
  EXPECT_EQ(inner_->only_pending()->deadline, milliseconds(1)) << "0 would be no deadline";
}

// -- spare transfers

class GuardSpareTest : public GuardLimitsTest {
 protected:
  // Makes a guard with two slots, one of which is in use.
  void SetUp() override {
    rules_.max_blob_transfers = 2;
    rules_.requests_per_minute = 8;
    make_guard();
    first_.waiting = {*parse_ip_address("192.0.2.1")};
    spare_.waiting = first_.waiting;
    spare_.spare = true;
    open(first_);
    inner_->requests().back()->start(0, 3);
  }
  std::size_t requests() const { return inner_->count(UpstreamKind::kBlobGet); }

  BlobTaker first_, second_, spare_;
};

TEST_F(GuardSpareTest, FreeSlotIsUsedAtOnce) {
  open(spare_);
  EXPECT_EQ(requests(), 2u);
  inner_->requests().back()->start(0, 3);
  inner_->requests().back()->send("abc");
  EXPECT_EQ(spare_.bytes, "abc");
}

TEST_F(GuardSpareTest, FailsWithoutAFreeSlot) {
  open(second_);
  timers_.run();
  open(spare_);
  timers_.run();
  EXPECT_EQ(spare_.error(), ErrorCode::kCancelled);
  EXPECT_EQ(requests(), 2u);
  EXPECT_EQ(link(), Link::kClosed);
}

TEST_F(GuardSpareTest, FailsWithoutAFreeTurn) {
  std::vector<std::unique_ptr<Asker<TagPage>>> askers;
  for (int i = 0; i < 8; ++i) {
    askers.push_back(std::make_unique<Asker<TagPage>>());
    list(*askers.back());
  }
  const std::size_t before = requests();
  open(spare_);
  timers_.run();
  EXPECT_EQ(spare_.error(), ErrorCode::kThrottled);
  EXPECT_EQ(requests(), before);
}

TEST_F(GuardSpareTest, EndsWhenAClientWantsTheSlot) {
  open(spare_);
  const auto request = inner_->requests().back();
  request->start(0, 3);
  second_.waiting = first_.waiting;
  open(second_);
  timers_.run();
  EXPECT_EQ(spare_.error(), ErrorCode::kCancelled);
  EXPECT_TRUE(request->cancelled());
  EXPECT_EQ(requests(), 3u);
  EXPECT_FALSE(first_.ended);
  EXPECT_EQ(link(), Link::kClosed);
}

TEST_F(GuardSpareTest, WaitsForItsSlotAgainAfterItBecameWorthAWait) {
  open(spare_);
  const auto request = inner_->requests().back();
  request->start(0, 3);
  second_.waiting = first_.waiting;
  open(second_);
  spare_.spare = false;
  timers_.run();
  EXPECT_FALSE(spare_.ended);
  EXPECT_TRUE(request->pending());
}

// -- the pull limit's reserve

TEST_F(GuardLimitsTest, BackgroundDoesNotWaitFarFromTheReserve) {
  EXPECT_EQ(guard_->patience(Ask::kManifest).wait.count(), 0);
  set_quota(100);
  EXPECT_EQ(guard_->patience(Ask::kManifest).wait.count(), 0);
  set_quota(41);  // 20 pulls are the reserve, so 21 of the other 80 are left.
  EXPECT_EQ(guard_->patience(Ask::kManifest).wait.count(), 0);
}

TEST_F(GuardLimitsTest, BackgroundIsPacedNearTheReserve) {
  set_quota(40);
  EXPECT_EQ(guard_->patience(Ask::kManifest).wait.count(), 0) << "the last pull was long ago";
  Asker<ManifestBody> asker;
  get(asker);
  inner_->only_pending()->answer_manifest(ManifestBody{});
  clock_.advance(seconds(16));
  const Patience patience = guard_->patience(Ask::kManifest);
  EXPECT_EQ(patience.wait, seconds(200)) << "one of a hundred comes back in 216 s";
  EXPECT_EQ(patience.reason, "the pull limit of docker.io is near");
}

TEST_F(GuardLimitsTest, ReserveIsForPeople) {
  set_quota(20);
  const Patience patience = guard_->patience(Ask::kManifest);
  EXPECT_EQ(patience.wait, seconds(216));
  EXPECT_EQ(patience.reason, "the rest of the pull limit of docker.io is reserved for people");
  for (const Ask ask : {Ask::kTagCheck, Ask::kUnknownTag, Ask::kBlob, Ask::kList}) {
    EXPECT_EQ(guard_->patience(ask).wait.count(), 0);
  }
  EXPECT_EQ(refused(Ask::kManifest), kNotRefused);
}

TEST_F(GuardLimitsTest, PullsUnderWayCountAsSpent) {
  set_quota(22);
  Asker<ManifestBody> first, second;
  get(first);
  get(second);
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(guard_->patience(Ask::kManifest).wait, seconds(216));
  first.handle.reset();
  EXPECT_EQ(guard_->patience(Ask::kManifest).wait.count(), 0);
  second.handle.reset();
}

TEST_F(GuardLimitsTest, QuotaComesFromTheUpstream) {
  EXPECT_FALSE(guard_->quota());
  set_quota(7);
  ASSERT_TRUE(guard_->quota());
  EXPECT_EQ(guard_->quota()->remaining.count, 7u);
}

}  // namespace
}  // namespace layby::cache
