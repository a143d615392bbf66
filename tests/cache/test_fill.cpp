// SPDX-License-Identifier: Apache-2.0
//
// A fill that succeeds: one transfer feeds any number of readers of the growing file, and
// readers get the last byte only when the digest matches. Readers join late and leave early,
// also inside their callbacks.

#include "cache/cache_test.h"

namespace layby::cache {
namespace {

class FillTest : public CacheTest {
 protected:
  // Opens the blob as the first asker, and begins the transfer.
  void begin(BlobAsker& asker) {
    open(asker, digest_);
    timers_.run();
    transfer()->start(0, blob_.size());
  }
  void send(std::string_view bytes) {
    transfer()->send(bytes);
    timers_.run();
  }
  void finish() {
    transfer()->end({});
    timers_.run();
  }
  std::string_view state() const { return cache_->fills().front().state; }

  const std::string blob_ = "0123456789";
  const oci::Digest digest_ = oci::Digest::of(blob_);
};

TEST_F(FillTest, FirstAskerStartsOneTransferOfTheWholeBlob) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  EXPECT_EQ(upstream_->requests().size(), 1u);
  EXPECT_EQ(transfer()->kind, UpstreamKind::kBlobGet);
  EXPECT_EQ(transfer()->repository, "library/debian");
  EXPECT_EQ(transfer()->reference, digest_.str());
  EXPECT_EQ(transfer()->offset, 0u);
}

TEST_F(FillTest, LaterAskersShareTheTransfer) {
  BlobAsker first, second, third;
  begin(first);
  open(second, digest_);
  send("01234");
  open(third, digest_);
  send("56789");
  finish();
  EXPECT_EQ(upstream_->requests().size(), 1u);
  for (const BlobAsker* asker : {&first, &second, &third}) EXPECT_EQ(asker->read(), blob_);
}

TEST_F(FillTest, TransferIsSharedAcrossRepositories) {
  BlobAsker first, second;
  open(first, digest_);
  second.handle = cache_->open_blob(other(), "acme/tool", digest_, second.done());
  timers_.run();
  EXPECT_EQ(upstream_->requests().size(), 1u);
  EXPECT_TRUE(other_upstream_->requests().empty());
}

TEST_F(FillTest, AskerIsAnsweredAsSoonAsTheSizeIsKnown) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  EXPECT_FALSE(asker.answered());
  transfer()->start(0, 10);
  ASSERT_TRUE(asker.reading());
  EXPECT_EQ(asker.value()->size_bytes(), 10u);
  EXPECT_TRUE(asker.value()->from_fill());
  EXPECT_EQ(asker.readable(), 0u);
}

TEST_F(FillTest, BytesAreReadableOnceTheyAreWritten) {
  BlobAsker asker;
  begin(asker);
  transfer()->send("0123");
  EXPECT_EQ(asker.readable(), 0u);
  timers_.run();
  EXPECT_EQ(asker.readable(), 4u);
  EXPECT_EQ(asker.times_told(), 1);
}

TEST_F(FillTest, AnyRangeOfTheGrowingFileCanBeRead) {
  BlobAsker asker;
  begin(asker);
  send("01234567");
  EXPECT_EQ(asker.read(2, 5), "234");
  EXPECT_EQ(asker.read(5, 8), "567");
}

TEST_F(FillTest, LateAskerReadsTheWrittenBytesAtOnce) {
  BlobAsker first, late;
  begin(first);
  send("01234");
  open(late, digest_);
  ASSERT_TRUE(late.reading());
  EXPECT_EQ(late.handle, nullptr);
  EXPECT_EQ(late.read(), "01234");
}

TEST_F(FillTest, LastByteIsHeldBackUntilTheDigestIsVerified) {
  store_.hold(Step::kVerify);
  BlobAsker asker;
  begin(asker);
  send(blob_);
  finish();
  EXPECT_EQ(asker.read(), "012345678");
  store_.release(Step::kVerify);
  timers_.run();
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillTest, ReadersFinishBeforeTheBlobIsPublished) {
  store_.hold(Step::kPublish);
  BlobAsker asker;
  begin(asker);
  send(blob_);
  finish();
  EXPECT_TRUE(asker.whole());
  EXPECT_FALSE(store_.has_blob(digest_));
}

TEST_F(FillTest, AskerDuringPublishingGetsTheWholeBlob) {
  store_.hold(Step::kPublish);
  BlobAsker first, late;
  begin(first);
  send(blob_);
  finish();
  open(late, digest_);
  ASSERT_TRUE(late.reading());
  EXPECT_EQ(late.read(), blob_);
}

TEST_F(FillTest, ReaderOutlivesTheFill) {
  BlobAsker asker;
  begin(asker);
  send(blob_);
  finish();
  EXPECT_TRUE(cache_->fills().empty());
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_FALSE(asker.failure());
}

TEST_F(FillTest, AskerAfterTheFillReadsFromTheStore) {
  BlobAsker first, late;
  begin(first);
  send(blob_);
  finish();
  open(late, digest_);
  ASSERT_TRUE(late.reading());
  EXPECT_FALSE(late.value()->from_fill());
  EXPECT_EQ(late.read(), blob_);
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

TEST_F(FillTest, BlobOfOneByteIsHeldBackUntilItsDigestIsVerified) {
  store_.hold(Step::kVerify);
  BlobAsker asker;
  open(asker, oci::Digest::of("x"));
  timers_.run();
  send_all("x", 0, 1);
  EXPECT_EQ(asker.readable(), 0u);
  store_.release(Step::kVerify);
  timers_.run();
  EXPECT_EQ(asker.read(), "x");
}

TEST_F(FillTest, EmptyBlobIsAnsweredWhenItsDigestIsVerified) {
  store_.hold(Step::kVerify);
  BlobAsker asker;
  open(asker, oci::Digest::of(""));
  timers_.run();
  transfer()->start(0, 0);
  transfer()->end({});
  timers_.run();
  EXPECT_FALSE(asker.answered());
  store_.release(Step::kVerify);
  timers_.run();
  ASSERT_TRUE(asker.reading());
  EXPECT_TRUE(asker.whole());
  EXPECT_TRUE(store_.has_blob(oci::Digest::of("")));
}

TEST_F(FillTest, BlobOfUnknownSizeIsAnsweredWhenItsDigestIsVerified) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->start(0, std::nullopt);
  send(blob_);
  EXPECT_FALSE(asker.answered());
  finish();
  ASSERT_TRUE(asker.reading());
  EXPECT_EQ(asker.value()->size_bytes(), 10u);
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillTest, Sha512BlobIsPublished) {
  const oci::Digest digest = oci::Digest::of(blob_, ShaKind::kSha512);
  BlobAsker asker;
  open(asker, digest);
  timers_.run();
  send_all(blob_, 0, blob_.size());
  EXPECT_TRUE(asker.whole());
  EXPECT_TRUE(store_.has_blob(digest));
}

TEST_F(FillTest, OthersGoOnWhenTheFirstAskerLeaves) {
  BlobAsker first, second;
  begin(first);
  open(second, digest_);
  send("01234");
  first.leave();
  send("56789");
  finish();
  EXPECT_EQ(second.read(), blob_);
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

TEST_F(FillTest, BlobIsPublishedThoughAllReadersLeft) {
  BlobAsker first, second;
  begin(first);
  open(second, digest_);
  send("01234");
  first.leave();
  second.leave();
  send("56789");
  finish();
  EXPECT_TRUE(store_.has_blob(digest_));
  EXPECT_EQ(counters_.fills_published, 1u);
}

TEST_F(FillTest, OpenerThatCancelsIsNotAnswered) {
  BlobAsker first, second;
  open(first, digest_);
  open(second, digest_);
  timers_.run();
  first.handle.reset();
  transfer()->start(0, 10);
  EXPECT_FALSE(first.answered());
  EXPECT_TRUE(second.answered());
}

TEST_F(FillTest, OpenerMayCancelAnotherInsideItsAnswer) {
  BlobAsker first, second;
  open(first, digest_);
  open(second, digest_);
  timers_.run();
  first.then = [&] { second.handle.reset(); };
  transfer()->start(0, 10);
  EXPECT_TRUE(first.answered());
  EXPECT_FALSE(second.answered());
}

TEST_F(FillTest, OpenerMayLeaveInsideItsAnswer) {
  BlobAsker first, second;
  open(first, digest_);
  open(second, digest_);
  timers_.run();
  first.then = [&] { first.leave(); };
  transfer()->start(0, 10);
  EXPECT_TRUE(second.reading());
  EXPECT_EQ(cache_->fills().front().readers, 1);
}

TEST_F(FillTest, ReaderMayLeaveInsideItsCallback) {
  BlobAsker first, second;
  begin(first);
  open(second, digest_);
  first.when_readable = [&] { first.leave(); };
  send("0123");
  EXPECT_FALSE(first.reading());
  EXPECT_EQ(second.times_told(), 1);
  EXPECT_EQ(cache_->fills().front().readers, 1);
}

TEST_F(FillTest, ReaderMayRemoveAnotherInsideItsCallback) {
  BlobAsker first, second, third;
  begin(first);
  open(second, digest_);
  open(third, digest_);
  first.when_readable = [&] { second.leave(); };
  send("0123");
  EXPECT_EQ(second.times_told(), 0);
  EXPECT_EQ(third.times_told(), 1);
}

TEST_F(FillTest, ReaderMayAddAnotherInsideItsCallback) {
  BlobAsker first;
  std::vector<std::unique_ptr<BlobAsker>> brought;
  begin(first);
  first.when_readable = [&] {
    brought.push_back(std::make_unique<BlobAsker>());
    open(*brought.back(), digest_);
  };
  send("0123");
  ASSERT_EQ(brought.size(), 1u);
  EXPECT_EQ(brought.front()->read(), "0123");
}

TEST_F(FillTest, ReaderThatStoppedListeningIsNotCalled) {
  BlobAsker asker;
  begin(asker);
  asker.value()->listen(nullptr);
  send("0123");
  EXPECT_EQ(asker.times_told(), 0);
  EXPECT_EQ(asker.readable(), 4u);
}

TEST_F(FillTest, UpstreamIsPausedWhileTheWriterLags) {
  rules_.max_queued_bytes = 4;
  make_cache();
  store_.hold(Step::kWrite);
  BlobAsker asker;
  begin(asker);
  send("012");
  EXPECT_FALSE(transfer()->paused());
  send("3");
  EXPECT_TRUE(transfer()->paused());
}

TEST_F(FillTest, UpstreamIsResumedWhenTheWriterHasCaughtUp) {
  rules_.max_queued_bytes = 4;
  make_cache();
  store_.hold(Step::kWrite);
  BlobAsker asker;
  begin(asker);
  send("01234");
  store_.release(Step::kWrite);
  timers_.run();
  EXPECT_FALSE(transfer()->paused());
  send("56789");
  finish();
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillTest, SmallestQueueDoesNotStallTheTransfer) {
  rules_.max_queued_bytes = 1;
  make_cache();
  BlobAsker asker;
  begin(asker);
  send("0");
  EXPECT_FALSE(transfer()->paused());
}

TEST_F(FillTest, DestroyingTheCacheFailsItsReaders) {
  BlobAsker first, second;
  begin(first);
  open(second, digest_);
  send("0123");
  cache_.reset();
  for (const BlobAsker* asker : {&first, &second}) {
    ASSERT_TRUE(asker->failure());
    EXPECT_EQ(asker->failure()->code, ErrorCode::kCancelled);
    EXPECT_EQ(asker->read(), "0123");
  }
}

TEST_F(FillTest, ReaderMayRemoveAnotherWhileTheCacheIsDestroyed) {
  BlobAsker first, second;
  begin(first);
  open(second, digest_);
  first.when_failed = [&] {
    first.leave();
    second.leave();
  };
  cache_.reset();
  EXPECT_TRUE(first.failure());
  EXPECT_FALSE(second.failure());
}

TEST_F(FillTest, DestroyingTheCacheKeepsTheWrittenBytes) {
  BlobAsker asker;
  begin(asker);
  send("0123");
  const auto request = transfer();
  request->send("45");
  cache_.reset();
  timers_.run();
  EXPECT_EQ(store_.partial(digest_), "0123");
  EXPECT_EQ(store_.open_writers(), 0u);
}

TEST_F(FillTest, StatusDescribesTheFill) {
  BlobAsker first, second;
  begin(first);
  open(second, digest_);
  send("0123");
  const auto fills = cache_->fills();
  ASSERT_EQ(fills.size(), 1u);
  EXPECT_EQ(fills[0].upstream, "docker.io");
  EXPECT_EQ(fills[0].repository, "library/debian");
  EXPECT_EQ(fills[0].digest, digest_.str());
  EXPECT_EQ(fills[0].written_bytes, 4u);
  EXPECT_EQ(fills[0].size_bytes, 10u);
  EXPECT_EQ(fills[0].readers, 2);
}

TEST_F(FillTest, StatusNamesTheState) {
  store_.hold(Step::kVerify);
  store_.hold(Step::kPublish);
  BlobAsker asker;
  open(asker, digest_);
  EXPECT_EQ(state(), "opening");
  timers_.run();
  EXPECT_EQ(state(), "asking");
  transfer()->start(0, 10);
  EXPECT_EQ(state(), "streaming");
  send(blob_);
  finish();
  EXPECT_EQ(state(), "verifying");
  store_.release(Step::kVerify);
  timers_.run();
  EXPECT_EQ(state(), "publishing");
}

}  // namespace
}  // namespace layby::cache
