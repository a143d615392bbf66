// SPDX-License-Identifier: Apache-2.0
//
// The guard's judgement of failures: when a link is doubtful, when a link is down, which requests
// the guard then refuses, and how pings find out that the link is back. The guard never stops a
// request that has begun.

#include "cache/guard_test.h"

namespace layby::cache {
namespace {

class GuardLinkTest : public GuardTest {
 protected:
  void take_down() {
    Asker<ManifestHead> asker;
    head(asker, rules_.request_timeout);
    inner_->only_pending()->fail(ErrorCode::kTimedOut);
    ASSERT_EQ(link(), Link::kOpen);
  }
  // Lets a blob fail with `code` after its first bytes.
  void break_blob(ErrorCode code) {
    BlobTaker blob;
    open(blob);
    const auto transfer = inner_->only_pending();
    transfer->start(0, 10);
    transfer->send("012");
    transfer->fail(code);
    EXPECT_EQ(blob.error(), code);
  }
  // The ping that is due now.
  testing::FakeUpstream::RequestPtr ping() {
    timers_.run();
    EXPECT_FALSE(inner_->pings().empty());
    return inner_->pings().back();
  }
};

TEST_F(GuardLinkTest, AnswersPassAndLeaveTheLinkClosed) {
  Asker<ManifestHead> asker;
  head(asker, seconds(2));
  const auto request = inner_->only_pending();
  EXPECT_EQ(request->repository, "library/debian");
  EXPECT_EQ(request->reference, tag_);
  EXPECT_EQ(request->deadline, seconds(2));
  request->answer_manifest_head(ManifestHead{digest_, "", 10});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, digest_);
  EXPECT_EQ(link(), Link::kClosed);
  timers_.run();
  EXPECT_TRUE(inner_->pings().empty());
}

TEST_F(GuardLinkTest, EveryKindOfRequestIsPassedOn) {
  Asker<ManifestBody> body;
  Asker<BlobHead> blob_head;
  Asker<TagPage> tags;
  Asker<std::string> referrers;
  BlobTaker blob;
  get(body);
  blob_head.handle = guard_->head_blob("library/debian", digest_, blob_head.done());
  blob.transfer = guard_->get_blob("library/debian", digest_, 7, blob);
  tags.handle = guard_->get_tags("library/debian", {5, "a"}, tags.done());
  referrers.handle = guard_->get_referrers("library/debian", digest_, "sbom", referrers.done());
  const auto all = inner_->pending();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0]->kind, UpstreamKind::kManifestGet);
  EXPECT_EQ(all[1]->kind, UpstreamKind::kBlobHead);
  EXPECT_EQ(all[2]->kind, UpstreamKind::kBlobGet);
  EXPECT_EQ(all[2]->offset, 7u);
  EXPECT_EQ(all[3]->page.last, "a");
  EXPECT_EQ(all[4]->artifact_type, "sbom");
  all[0]->answer_manifest(ManifestBody{"{}", ""});
  all[1]->answer_blob_head(BlobHead{3});
  all[3]->answer_tags(TagPage{{"b"}, true});
  all[4]->answer_referrers(std::string("[]"));
  EXPECT_EQ(body.value().bytes, "{}");
  EXPECT_EQ(blob_head.value().size_bytes, 3u);
  EXPECT_TRUE(tags.value().more);
  EXPECT_EQ(referrers.value(), "[]");
}

TEST_F(GuardLinkTest, TimeoutOfAFullRequestTakesTheLinkDown) {
  take_down();
  for (const Ask ask : {Ask::kTagCheck, Ask::kUnknownTag, Ask::kManifest, Ask::kBlob, Ask::kList}) {
    EXPECT_EQ(refused(ask), ErrorCode::kUnavailable);
  }
}

TEST_F(GuardLinkTest, TimeoutOfAQuickCheckOnlyCastsDoubt) {
  Asker<ManifestHead> asker;
  head(asker, seconds(2));
  inner_->only_pending()->fail(ErrorCode::kTimedOut);
  EXPECT_EQ(link(), Link::kDoubtful);
}

TEST_F(GuardLinkTest, TimeoutOfABlobBeforeItsFirstByteTakesTheLinkDown) {
  BlobTaker blob;
  open(blob);
  inner_->only_pending()->fail(ErrorCode::kTimedOut);
  EXPECT_EQ(blob.error(), ErrorCode::kTimedOut);
  EXPECT_EQ(link(), Link::kOpen);
}

TEST_F(GuardLinkTest, BlobThatBreaksAfterItsFirstByteCausesOnlyAPing) {
  for (const ErrorCode code : {ErrorCode::kTimedOut, ErrorCode::kUnavailable}) {
    for (int i = 0; i < 4; ++i) {
      break_blob(code);
      EXPECT_EQ(link(), Link::kClosed);
      EXPECT_EQ(refused(Ask::kTagCheck), kNotRefused);
    }
    ping()->answer_ping({});
  }
  EXPECT_EQ(inner_->pings().size(), 2u);
}

TEST_F(GuardLinkTest, FailedPingAfterABrokenBlobTakesTheLinkDown) {
  break_blob(ErrorCode::kUnavailable);
  ping()->fail(ErrorCode::kUnavailable);
  EXPECT_EQ(link(), Link::kOpen);
}

TEST_F(GuardLinkTest, FirstByteOfABlobCountsAsAnAnswer) {
  fail_list(ErrorCode::kUnavailable);
  BlobTaker blob;
  open(blob);
  const auto transfer = inner_->only_pending();
  transfer->start(0, 3);
  EXPECT_EQ(link(), Link::kClosed);
  transfer->send("abc");
  transfer->end({});
  EXPECT_EQ(blob.bytes, "abc");
  ASSERT_TRUE(blob.ended);
  EXPECT_TRUE(blob.ended->ok());
}

TEST_F(GuardLinkTest, OneFailureCastsDoubt) {
  fail_list(ErrorCode::kUnavailable);
  EXPECT_EQ(link(), Link::kDoubtful);
}

TEST_F(GuardLinkTest, DoubtRefusesOnlyTagChecks) {
  fail_list(ErrorCode::kUnavailable);
  EXPECT_EQ(refused(Ask::kTagCheck), ErrorCode::kUnavailable);
  for (const Ask ask : {Ask::kUnknownTag, Ask::kManifest, Ask::kBlob, Ask::kList}) {
    EXPECT_EQ(refused(ask), kNotRefused);
  }
}

TEST_F(GuardLinkTest, ThreeFailuresInARowTakeTheLinkDown) {
  fail_list(ErrorCode::kUnavailable);
  fail_list(ErrorCode::kUnavailable);
  EXPECT_EQ(link(), Link::kDoubtful);
  fail_list(ErrorCode::kUnavailable);
  EXPECT_EQ(link(), Link::kOpen);
}

TEST_F(GuardLinkTest, AnswerBetweenFailuresResetsTheCount) {
  fail_list(ErrorCode::kUnavailable);
  fail_list(ErrorCode::kUnavailable);
  answer_list();
  EXPECT_EQ(link(), Link::kClosed);
  fail_list(ErrorCode::kUnavailable);
  fail_list(ErrorCode::kUnavailable);
  EXPECT_EQ(link(), Link::kDoubtful);
}

TEST_F(GuardLinkTest, RefusalsByUpstreamCountAsAnswers) {
  for (const ErrorCode code : {ErrorCode::kNotFound, ErrorCode::kDenied, ErrorCode::kInvalid}) {
    fail_list(ErrorCode::kUnavailable);
    ASSERT_EQ(link(), Link::kDoubtful);
    fail_list(code);
    EXPECT_EQ(link(), Link::kClosed);
  }
}

TEST_F(GuardLinkTest, UnreadableAnswerChangesNothing) {
  for (int i = 0; i < 4; ++i) fail_list(ErrorCode::kCorrupt);
  EXPECT_EQ(link(), Link::kClosed);
  fail_list(ErrorCode::kUnavailable);
  fail_list(ErrorCode::kCorrupt);
  EXPECT_EQ(link(), Link::kDoubtful);
}

TEST_F(GuardLinkTest, SimultaneousFailuresCauseOnePing) {
  Asker<TagPage> askers[10];
  for (auto& asker : askers) list(asker);
  for (const auto& request : inner_->pending()) request->fail(ErrorCode::kUnavailable);
  EXPECT_EQ(link(), Link::kOpen);
  timers_.run();
  EXPECT_EQ(inner_->pings().size(), 1u);
}

TEST_F(GuardLinkTest, DoubtCausesAPingAtOnce) {
  fail_list(ErrorCode::kUnavailable);
  EXPECT_EQ(ping()->deadline, rules_.probe_timeout);
}

TEST_F(GuardLinkTest, GoodPingClosesTheLink) {
  take_down();
  ping()->answer_ping({});
  EXPECT_EQ(link(), Link::kClosed);
  EXPECT_EQ(refused(Ask::kTagCheck), kNotRefused);
  timers_.advance(seconds(60));
  EXPECT_EQ(inner_->pings().size(), 1u);
}

TEST_F(GuardLinkTest, FailedPingInDoubtTakesTheLinkDown) {
  fail_list(ErrorCode::kUnavailable);
  ping()->fail(ErrorCode::kUnavailable);
  EXPECT_EQ(link(), Link::kOpen);
}

TEST_F(GuardLinkTest, PingIntervalGrowsToFiveSeconds) {
  take_down();
  ping()->fail(ErrorCode::kUnavailable);
  for (const seconds pause : {seconds(1), seconds(2), seconds(4), seconds(5), seconds(5)}) {
    const std::size_t before = inner_->pings().size();
    timers_.advance(pause - milliseconds(1));
    EXPECT_EQ(inner_->pings().size(), before) << "pause " << pause.count();
    timers_.advance(milliseconds(1));
    ASSERT_EQ(inner_->pings().size(), before + 1) << "pause " << pause.count();
    inner_->pings().back()->fail(ErrorCode::kUnavailable);
  }
}

TEST_F(GuardLinkTest, RefusedRequestBringsThePingForward) {
  take_down();
  ping()->fail(ErrorCode::kUnavailable);
  timers_.advance(seconds(1));
  inner_->pings().back()->fail(ErrorCode::kUnavailable);  // The next ping is due in two seconds.
  refused(Ask::kBlob);
  timers_.advance(milliseconds(999));
  EXPECT_EQ(inner_->pings().size(), 2u);
  timers_.advance(milliseconds(1));
  EXPECT_EQ(inner_->pings().size(), 3u);
}

TEST_F(GuardLinkTest, NoSecondPingWhileOneIsUnderWay) {
  take_down();
  ping();
  refused(Ask::kBlob);
  timers_.advance(seconds(3));
  EXPECT_EQ(inner_->pings().size(), 1u);
}

TEST_F(GuardLinkTest, AnswerOfARequestUnderWayClosesTheLink) {
  take_down();
  Asker<TagPage> asker;
  list(asker);
  const auto request = inner_->only_pending();
  ping();
  request->answer_tags(TagPage{});
  EXPECT_EQ(link(), Link::kClosed);
  inner_->pings().back()->fail(ErrorCode::kUnavailable);
  EXPECT_EQ(link(), Link::kClosed) << "the ping was sent before the answer";
}

TEST_F(GuardLinkTest, RefusalNamesTheUpstreamAndARetryAfter) {
  take_down();
  clock_.advance(seconds(125));
  const auto refusal = guard_->why_not(Ask::kManifest);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->retry_after, seconds(5));
  EXPECT_NE(refusal->message.find("docker.io"), std::string::npos);
  EXPECT_EQ(guard_->status().link_since, seconds(125));
}

TEST_F(GuardLinkTest, RequestBegunWhileTheLinkIsDownIsSent) {
  take_down();
  Asker<ManifestBody> asker;
  get(asker);
  EXPECT_EQ(inner_->only_pending()->kind, UpstreamKind::kManifestGet);
}

TEST_F(GuardLinkTest, BackgroundWaitsWhileTheLinkIsNotClosed) {
  EXPECT_EQ(guard_->patience(Ask::kBlob).wait.count(), 0);
  fail_list(ErrorCode::kUnavailable);
  const Patience patience = guard_->patience(Ask::kBlob);
  EXPECT_EQ(patience.wait, seconds(5));
  EXPECT_EQ(patience.reason, "docker.io is down");
}

TEST_F(GuardLinkTest, GuardMayBeDestroyedDuringAPing) {
  take_down();
  const auto under_way = ping();
  guard_.reset();
  EXPECT_TRUE(under_way->cancelled());
  timers_.advance(seconds(60));
}

TEST_F(GuardLinkTest, FullTimeOutEndsEveryRequestWithoutAByte) {
  Asker<TagPage> page;
  Asker<ManifestBody> manifest;
  BlobTaker asked, streaming;
  list(page);
  get(manifest);
  open(asked);
  open(streaming);
  inner_->pending().back()->start(0, 10);
  const auto waiting = inner_->pending();
  Asker<ManifestHead> silent;
  head(silent, rules_.request_timeout);
  inner_->pending().back()->fail(ErrorCode::kTimedOut);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(waiting[i]->cancelled());
  EXPECT_FALSE(page.answered()) << "an asker hears a turn later";
  timers_.run();
  EXPECT_EQ(page.error(), ErrorCode::kUnavailable);
  EXPECT_EQ(manifest.error(), ErrorCode::kUnavailable);
  EXPECT_EQ(asked.error(), ErrorCode::kUnavailable);
  EXPECT_TRUE(asked.ended->error().declined) << "another attempt would wait as long";
  EXPECT_FALSE(streaming.ended);
}

TEST_F(GuardLinkTest, SilentPingEndsEveryRequestWithoutAByte) {
  fail_list(ErrorCode::kUnavailable);
  BlobTaker blob;
  open(blob);
  ping()->fail(ErrorCode::kTimedOut);
  timers_.run();
  EXPECT_EQ(blob.error(), ErrorCode::kUnavailable);
}

TEST_F(GuardLinkTest, RestOfABlobThatIsEndedMayBeAskedForAgain) {
  BlobTaker blob;
  blob.transfer = guard_->get_blob("library/debian", digest_, 7, blob);
  Asker<ManifestHead> silent;
  head(silent, rules_.request_timeout);
  inner_->pending().back()->fail(ErrorCode::kTimedOut);
  timers_.run();
  EXPECT_EQ(blob.error(), ErrorCode::kUnavailable);
  EXPECT_FALSE(blob.ended->error().declined);
}

TEST_F(GuardLinkTest, ShortCutEndsNoRequestUnderWay) {
  BlobTaker blob;
  open(blob);
  for (int i = 0; i < 3; ++i) {
    Asker<TagPage> asker;
    list(asker);
    inner_->pending().back()->fail(ErrorCode::kUnavailable);
  }
  EXPECT_EQ(link(), Link::kOpen);
  timers_.run();
  EXPECT_FALSE(blob.ended);
}

TEST_F(GuardLinkTest, RequestsDroppedWhileTheyAreEndedAreForgotten) {
  Asker<TagPage> dropped, other;
  list(dropped);
  list(other);
  Asker<ManifestHead> silent;
  head(silent, rules_.request_timeout);
  inner_->pending().back()->fail(ErrorCode::kTimedOut);
  dropped.handle.reset();
  timers_.run();
  EXPECT_FALSE(dropped.answered());
  EXPECT_EQ(other.error(), ErrorCode::kUnavailable);
}

TEST_F(GuardLinkTest, ReasonIsKeptUntilAnAnswerComes) {
  const std::string reason = "TLS failed: certificate has expired; check this machine's clock";
  fail_list({ErrorCode::kUnavailable, reason});
  EXPECT_EQ(guard_->status().error, reason);
  EXPECT_NE(guard_->why_not(Ask::kTagCheck)->message.find(reason), std::string::npos);
  ping()->fail(ErrorCode::kUnavailable, "the same ping: " + reason);
  clock_.advance(seconds(100));
  EXPECT_NE(guard_->why_not(Ask::kBlob)->message.find(reason), std::string::npos);
  EXPECT_NE(guard_->status().error.find(reason), std::string::npos);
  answer_list();
  EXPECT_EQ(guard_->status().error, "");
}

TEST_F(GuardLinkTest, LinkThatGoesDownTellsItsReason) {
  std::string reason;
  const auto listening = events_.listen([&](const events::Event& event) {
    if (const auto* link = std::get_if<events::LinkChanged>(&event)) reason = link->reason;
  });
  take_down();
  EXPECT_EQ(reason, "fake upstream");
}

TEST_F(GuardLinkTest, ParentThatDeclinesIsUpAndMakesBackgroundWorkWait) {
  Error declined{ErrorCode::kUnavailable, "parent: answered 503"};
  declined.declined = true;
  for (int i = 0; i < 4; ++i) fail_list(declined);
  EXPECT_EQ(link(), Link::kClosed);
  EXPECT_EQ(refused(Ask::kTagCheck), kNotRefused);
  EXPECT_EQ(guard_->patience(Ask::kBlob).wait, seconds(5));
  EXPECT_EQ(guard_->status().error, declined.message);
  clock_.advance(seconds(5));
  EXPECT_EQ(guard_->patience(Ask::kBlob).wait.count(), 0);
}

TEST_F(GuardLinkTest, ParentThatRefusesOneClientIsUpForTheOthers) {
  Error refusal{ErrorCode::kThrottled, "parent: answered 429", seconds(60)};
  refusal.declined = true;
  for (int i = 0; i < 4; ++i) fail_list(refusal);
  EXPECT_EQ(link(), Link::kClosed);
  EXPECT_EQ(refused(Ask::kTagCheck), kNotRefused);
  EXPECT_EQ(guard_->patience(Ask::kBlob).wait.count(), 0);
  EXPECT_EQ(guard_->status().throttled_for, seconds(0));
}

TEST_F(GuardLinkTest, FailuresOfAnotherServerCauseOnlyAPing) {
  for (const ErrorCode code : {ErrorCode::kTimedOut, ErrorCode::kUnavailable}) {
    for (int i = 0; i < 4; ++i) {
      Error elsewhere{code, "cdn: answered 503"};
      elsewhere.extent = Extent::kContent;
      fail_list(elsewhere);
    }
  }
  EXPECT_EQ(link(), Link::kClosed);
  EXPECT_EQ(refused(Ask::kTagCheck), kNotRefused);
  EXPECT_EQ(guard_->status().error, "cdn: answered 503");
  ping()->answer_ping({});
  EXPECT_EQ(guard_->status().error, "");
}

TEST_F(GuardLinkTest, ParentIsPingedBeforeAnyRequest) {
  rules_.probe_first = true;
  make_guard();
  EXPECT_EQ(link(), Link::kDoubtful);
  EXPECT_EQ(refused(Ask::kBlob), kNotRefused);
  ping()->answer_ping({});
  EXPECT_EQ(link(), Link::kClosed);
}

}  // namespace
}  // namespace layby::cache
