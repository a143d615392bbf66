// SPDX-License-Identifier: Apache-2.0
//
// A fill that meets a fault: upstream breaks off, sends wrong bytes or changes its answer, the
// disk fails at each step, or an earlier fill left a partial file. Each test checks the bytes
// that readers get, the content of the store afterwards, and the answer to the next asker.

#include "cache/cache_test.h"

namespace layby::cache {
namespace {

class FillFailureTest : public CacheTest {
 protected:
  void SetUp() override {
    rules_.unknown_for = milliseconds(0);  // The cache doesn't remember refusals.
    CacheTest::SetUp();
  }
  void begin(BlobAsker& asker) {
    open(asker, digest_);
    timers_.run();
    transfer()->start(0, blob_.size());
  }
  void send(std::string_view bytes) {
    transfer()->send(bytes);
    timers_.run();
  }
  // Breaks off the transfer, and lets the fill ask again after its backoff.
  void cut(ErrorCode code = ErrorCode::kUnavailable) {
    transfer()->fail(code);
    timers_.advance(rules_.retry.max_delay);
  }
  // Uses up all attempts that the rules allow.
  void cut_for_good() {
    for (int i = 0; i < rules_.retry.max_attempts; ++i) cut();
  }
  // Opens a blob of which an earlier fill left the bytes `kept`, and lets the fill ask upstream.
  void take_up(BlobAsker& asker, const std::string& kept) {
    store_.add_partial(digest_, kept);
    open(asker, digest_);
    timers_.run();
  }
  // Expects that a new fill, whose transfer begins at `from`, serves a new asker.
  void expect_works_again(std::uint64_t from = 0) {
    BlobAsker again;
    open(again, digest_);
    timers_.run();
    const std::uint64_t asked = transfer()->offset;
    EXPECT_EQ(asked, from);
    send_all(blob_.substr(asked), asked, blob_.size());
    ASSERT_TRUE(again.reading());
    EXPECT_EQ(again.read(), blob_);
    EXPECT_TRUE(store_.has_blob(digest_));
  }

  const std::string blob_ = "0123456789";
  const oci::Digest digest_ = oci::Digest::of(blob_);
};

TEST_F(FillFailureTest, CutIsResumedAfterTheLastReceivedByte) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  cut();
  EXPECT_EQ(transfer()->offset, 4u);
  send_all("456789", 4, 10);
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_EQ(counters_.fills_resumed, 1u);
  EXPECT_EQ(counters_.upstream_retries, 1u);
}

TEST_F(FillFailureTest, EndBeforeTheAnnouncedSizeIsACut) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  transfer()->end({});
  timers_.advance(rules_.retry.max_delay);
  EXPECT_EQ(transfer()->offset, 4u);
  send_all("456789", 4, 10);
  EXPECT_TRUE(asker.whole());
}

TEST_F(FillFailureTest, CutBeforeTheFirstByteAsksForTheWholeBlob) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  cut();
  EXPECT_EQ(transfer()->offset, 0u);
  EXPECT_FALSE(asker.answered());
  EXPECT_EQ(counters_.fills_resumed, 0u);
}

TEST_F(FillFailureTest, CutAfterTheLastByteIsTheEnd) {
  BlobAsker asker;
  begin(asker);
  send(blob_);
  transfer()->fail(ErrorCode::kUnavailable);
  timers_.run();
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

TEST_F(FillFailureTest, BytesNotYetWrittenAtACutAreNotRequestedAgain) {
  store_.hold(Step::kWrite);
  BlobAsker asker;
  begin(asker);
  send("0123");
  cut();
  EXPECT_EQ(transfer()->offset, 4u);
  store_.release(Step::kWrite);
  send_all("456789", 4, 10);
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillFailureTest, ReadersWaitDuringACut) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  transfer()->fail(ErrorCode::kUnavailable);
  timers_.run();
  EXPECT_FALSE(asker.failure());
  EXPECT_EQ(asker.readable(), 4u);
  EXPECT_EQ(cache_->fills().front().state, "waiting");
}

TEST_F(FillFailureTest, TransferAfterACutBeginsUnpaused) {
  rules_.max_queued_bytes = 4;
  make_cache();
  store_.hold(Step::kWrite);
  BlobAsker asker;
  begin(asker);
  send("01234");
  cut();
  EXPECT_FALSE(transfer()->paused());
  store_.release(Step::kWrite);
  timers_.run();
  send_all("56789", 5, 10);
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillFailureTest, IgnoredRangeDoesNotAppendBytesTwice) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  cut();
  transfer()->start(0, 10);
  send("01");
  send("23456");
  send("789");
  transfer()->end({});
  timers_.run();
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_TRUE(store_.has_blob(digest_));
}

TEST_F(FillFailureTest, ProgressResetsTheAttempts) {
  BlobAsker asker;
  begin(asker);
  for (std::uint64_t sent = 0; sent < 9; ++sent) {
    send(blob_.substr(sent, 1));
    cut();
    transfer()->start(sent + 1, 10);
  }
  EXPECT_FALSE(asker.failure());
  send("9");
  transfer()->end({});
  timers_.run();
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillFailureTest, SkippedBytesAreNotProgress) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  for (int i = 0; i < rules_.retry.max_attempts - 1; ++i) {
    cut();
    transfer()->start(0, 10);
    send("0123");
  }
  EXPECT_FALSE(asker.failure());
  cut();
  EXPECT_TRUE(asker.failure());
}

TEST_F(FillFailureTest, ReadersFailWhenTheAttemptsAreUsedUp) {
  BlobAsker first, second;
  begin(first);
  open(second, digest_);
  send("0123");
  cut_for_good();
  for (const BlobAsker* asker : {&first, &second}) {
    ASSERT_TRUE(asker->failure());
    EXPECT_EQ(asker->failure()->code, ErrorCode::kUnavailable);
    EXPECT_EQ(asker->read(), "0123");
  }
  EXPECT_EQ(upstream_->requests().size(), 4u);
  EXPECT_EQ(counters_.fills_failed, 1u);
}

TEST_F(FillFailureTest, OpenersFailWhenTheAttemptsAreUsedUp) {
  BlobAsker first, second;
  open(first, digest_);
  open(second, digest_);
  timers_.run();
  cut_for_good();
  EXPECT_EQ(first.error(), ErrorCode::kUnavailable);
  EXPECT_EQ(second.error(), ErrorCode::kUnavailable);
}

TEST_F(FillFailureTest, UnknownBlobIsNotRetried) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->fail(ErrorCode::kNotFound);
  EXPECT_EQ(asker.error(), ErrorCode::kNotFound);
  timers_.advance(seconds(60));
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

TEST_F(FillFailureTest, NextAskerResumesAFillThatWasGivenUp) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  cut_for_good();
  EXPECT_EQ(store_.partial(digest_), "0123");
  upstream_->pings().back()->answer_ping({});
  expect_works_again(4);
}

TEST_F(FillFailureTest, OpenerMayAskAgainInsideItsError) {
  BlobAsker asker, again;
  open(asker, digest_);
  timers_.run();
  asker.then = [&] { open(again, digest_); };
  transfer()->fail(ErrorCode::kNotFound);
  timers_.run();
  send_all(blob_, 0, blob_.size());
  EXPECT_EQ(again.read(), blob_);
}

TEST_F(FillFailureTest, ReaderMayAskAgainInsideItsFailure) {
  BlobAsker asker, again;
  begin(asker);
  asker.when_failed = [&] {
    asker.leave();
    open(again, digest_);
  };
  transfer()->fail(ErrorCode::kDenied);
  timers_.run();
  send_all(blob_, 0, blob_.size());
  EXPECT_EQ(again.read(), blob_);
}

TEST_F(FillFailureTest, ReaderMayRemoveAnotherInsideItsFailure) {
  BlobAsker first, second, third;
  begin(first);
  open(second, digest_);
  open(third, digest_);
  first.when_failed = [&] {
    first.leave();
    second.leave();
  };
  transfer()->fail(ErrorCode::kDenied);
  timers_.run();
  EXPECT_FALSE(second.failure());
  EXPECT_TRUE(third.failure());
}

TEST_F(FillFailureTest, ChangedSizeFailsTheFill) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  cut();
  transfer()->start(4, 11);
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kCorrupt);
}

TEST_F(FillFailureTest, MoreBytesThanAnnouncedFailTheFill) {
  BlobAsker asker;
  begin(asker);
  send("012345");
  transfer()->send("6789A");
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kCorrupt);
  timers_.run();
  EXPECT_EQ(store_.partial(digest_), "012345");
}

TEST_F(FillFailureTest, SkippedBytesFailTheFill) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  cut();
  transfer()->start(5, 10);
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kCorrupt);
}

TEST_F(FillFailureTest, FailedFillCancelsItsTransfer) {
  BlobAsker asker;
  begin(asker);
  transfer()->send("0123456789A");
  timers_.run();
  EXPECT_TRUE(upstream_->pending().empty());
  EXPECT_EQ(store_.open_writers(), 0u);
}

TEST_F(FillFailureTest, CorruptBlobNeverCompletes) {
  BlobAsker asker;
  begin(asker);
  send("012345678x");
  transfer()->end({});
  timers_.run();
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kCorrupt);
  EXPECT_EQ(asker.readable(), 9u);
  EXPECT_FALSE(store_.has_blob(digest_));
}

TEST_F(FillFailureTest, CorruptBlobIsCounted) {
  BlobAsker asker;
  begin(asker);
  send("012345678x");
  transfer()->end({});
  timers_.run();
  EXPECT_EQ(counters_.digest_mismatches, 1u);
  EXPECT_EQ(counters_.fills_failed, 1u);
  EXPECT_EQ(counters_.fills_published, 0u);
}

TEST_F(FillFailureTest, CorruptBlobIsFetchedFromItsBeginningNextTime) {
  BlobAsker asker;
  begin(asker);
  send("012345678x");
  transfer()->end({});
  timers_.run();
  EXPECT_EQ(store_.partial(digest_), std::nullopt);
  expect_works_again();
}

TEST_F(FillFailureTest, EmptyAnswerWithTheWrongDigestIsAnError) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->start(0, 0);
  transfer()->end({});
  timers_.run();
  EXPECT_EQ(asker.error(), ErrorCode::kCorrupt);
}

// The disk takes no bytes or stops taking bytes: the pull goes on, and the blob isn't stored.

TEST_F(FillFailureTest, BlobThatCannotBeOpenedPassesThrough) {
  store_.fail(Step::kOpen, {ErrorCode::kNoSpace, "full"});
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  send_all(blob_, 0, 10);
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_FALSE(store_.has_blob(digest_));
  EXPECT_EQ(counters_.fills_unkept, 1u);
  expect_works_again();
}

TEST_F(FillFailureTest, RestPassesThroughAfterAWriteError) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  store_.fail(Step::kWrite, {ErrorCode::kIo, "broken"});
  send("456");
  EXPECT_FALSE(asker.failure());
  EXPECT_EQ(asker.readable(), 7u);
  EXPECT_FALSE(cache_->fills().front().kept);
  send("789");
  transfer()->end({});
  timers_.run();
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_EQ(counters_.fills_published, 0u);
  asker.leave();
  expect_works_again(4);
}

TEST_F(FillFailureTest, PassingBlobWaitsForItsSlowestReader) {
  rules_.max_unkept_bytes = 4;
  make_cache();
  store_.fail(Step::kWrite, {ErrorCode::kNoSpace, "full"});
  BlobAsker fast, slow;
  begin(fast);
  open(slow, digest_);
  send("0123");
  fast.value()->consumed(4);
  timers_.run();
  EXPECT_TRUE(transfer()->paused());
  EXPECT_EQ(store_.released_bytes(), 0u);
  slow.value()->consumed(3);
  timers_.run();
  EXPECT_FALSE(transfer()->paused());
  EXPECT_EQ(store_.released_bytes(), 3u);
  send("456789");
  transfer()->end({});
  timers_.run();
  EXPECT_TRUE(fast.whole());
  EXPECT_TRUE(slow.whole());
}

TEST_F(FillFailureTest, PassingBlobEndsWhenItsLastReaderLeaves) {
  store_.fail(Step::kWrite, {ErrorCode::kNoSpace, "full"});
  BlobAsker asker;
  begin(asker);
  send("0123");
  asker.leave();
  timers_.run();
  EXPECT_TRUE(upstream_->pending().empty());
  EXPECT_TRUE(cache_->fills().empty());
  expect_works_again();
}

TEST_F(FillFailureTest, AskerTooLateForAPassingBlobGetsItsOwnFill) {
  store_.fail(Step::kWrite, {ErrorCode::kNoSpace, "full"});
  BlobAsker first;
  begin(first);
  send("0123");
  BlobAsker second;
  open(second, digest_);
  EXPECT_TRUE(second.reading()) << "all bytes are still in memory";
  first.value()->consumed(3);
  second.value()->consumed(3);
  timers_.run();
  const auto passing = transfer();
  BlobAsker third;
  open(third, digest_);
  timers_.run();
  EXPECT_EQ(cache_->fills().size(), 2u);
  passing->send("456789");
  passing->end({});
  timers_.run();
  EXPECT_TRUE(first.whole());
  EXPECT_TRUE(second.whole());
  send_all(blob_, 0, 10);
  EXPECT_EQ(third.read(), blob_);
  EXPECT_TRUE(store_.has_blob(digest_));
}

TEST_F(FillFailureTest, PassingBlobIsVerified) {
  store_.fail(Step::kWrite, {ErrorCode::kNoSpace, "full"});
  BlobAsker asker;
  begin(asker);
  send("012345678x");
  transfer()->end({});
  timers_.run();
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kCorrupt);
  EXPECT_EQ(asker.readable(), 9u);
}

TEST_F(FillFailureTest, BlobOfUnknownSizeFailsWhenItOutgrowsTheWindow) {
  rules_.max_unkept_bytes = 4;
  make_cache();
  store_.fail(Step::kWrite, {ErrorCode::kNoSpace, "full"});
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->start(0, std::nullopt);
  send("01234");
  EXPECT_EQ(asker.error(), ErrorCode::kNoSpace);
}

TEST_F(FillFailureTest, FailureToVerifyFailsTheReaders) {
  store_.fail(Step::kVerify, {ErrorCode::kIo, "broken"});
  BlobAsker asker;
  begin(asker);
  send(blob_);
  transfer()->end({});
  timers_.run();
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kIo);
  EXPECT_EQ(asker.readable(), 9u);
}

TEST_F(FillFailureTest, ReadersGetTheWholeBlobDespiteAPublishError) {
  store_.fail(Step::kPublish, {ErrorCode::kNoSpace, "full"});
  BlobAsker asker;
  begin(asker);
  send(blob_);
  transfer()->end({});
  timers_.run();
  EXPECT_FALSE(asker.failure());
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_FALSE(store_.has_blob(digest_));
  EXPECT_EQ(counters_.fills_failed, 1u);
  EXPECT_EQ(counters_.fills_published, 0u);
}

TEST_F(FillFailureTest, NextAskerPublishesTheBlobAfterAPublishError) {
  store_.fail(Step::kPublish, {ErrorCode::kNoSpace, "full"});
  BlobAsker asker;
  begin(asker);
  send(blob_);
  transfer()->end({});
  timers_.run();
  EXPECT_EQ(store_.partial(digest_), blob_);
  BlobAsker again;
  open(again, digest_);
  timers_.run();
  EXPECT_TRUE(upstream_->pending().empty());
  EXPECT_EQ(again.read(), blob_);
  EXPECT_TRUE(store_.has_blob(digest_));
}

TEST_F(FillFailureTest, KeptPartialIsResumed) {
  BlobAsker asker;
  take_up(asker, "0123");
  EXPECT_EQ(transfer()->offset, 4u);
  EXPECT_EQ(counters_.fills_resumed, 1u);
  transfer()->start(4, 10);
  send("456789");
  transfer()->end({});
  timers_.run();
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillFailureTest, KeptPartialIsNotAppendedTwiceWhenTheRangeIsIgnored) {
  BlobAsker asker;
  take_up(asker, "0123");
  send_all(blob_, 0, 10);
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_TRUE(store_.has_blob(digest_));
}

TEST_F(FillFailureTest, KeptPartialStaysWhenUpstreamCannotBeReached) {
  BlobAsker asker;
  take_up(asker, "0123");
  cut_for_good();
  EXPECT_EQ(asker.error(), ErrorCode::kUnavailable);
  EXPECT_EQ(store_.partial(digest_), "0123");
}

TEST_F(FillFailureTest, WholeKeptPartialIsPublishedWithoutAskingUpstream) {
  BlobAsker asker;
  take_up(asker, blob_);
  EXPECT_TRUE(upstream_->requests().empty());
  ASSERT_TRUE(asker.reading());
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_TRUE(store_.has_blob(digest_));
}

TEST_F(FillFailureTest, RefusedRangeKeepsTheWrittenBytes) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  cut();
  transfer()->fail(ErrorCode::kInvalid);
  timers_.run();
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kInvalid);
  EXPECT_EQ(store_.partial(digest_), "0123");
  EXPECT_EQ(counters_.digest_mismatches, 0u);
}

TEST_F(FillFailureTest, TooLargeAnnouncedSizeDoesNotMakeMissingBytesReadable) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->start(0, 12);
  send(blob_);
  cut();
  transfer()->fail(ErrorCode::kInvalid);
  timers_.run();
  EXPECT_TRUE(asker.failure());
  EXPECT_LE(asker.readable(), 10u);
}

}  // namespace
}  // namespace layby::cache
