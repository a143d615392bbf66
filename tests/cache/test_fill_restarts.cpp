// SPDX-License-Identifier: Apache-2.0
//
// An interrupted transfer may leave wrong bytes in the partial file. The next fill notices them
// when it checks the digest, and begins again at byte 0, but only once. A reader that got no wrong
// byte goes on waiting; every other reader fails.

#include "cache/cache_test.h"

namespace layby::cache {
namespace {

class FillRestartsTest : public CacheTest {
 protected:
  // Opens a blob of which an earlier fill left the bytes `kept`, and lets the fill ask upstream.
  void take_up(BlobAsker& asker, const std::string& kept, const oci::Digest& digest) {
    store_.add_partial(digest, kept);
    open(asker, digest);
    timers_.run();
  }
  void take_up(BlobAsker& asker, const std::string& kept) { take_up(asker, kept, digest_); }
  // Expects that the fill began again at byte 0, and sends the whole blob.
  void expect_whole_from_the_start() {
    EXPECT_EQ(store_.partial(digest_).value_or(""), "") << "the wrong bytes are gone";
    EXPECT_EQ(transfer()->offset, 0u);
    send_all(blob_, 0, blob_.size());
    EXPECT_TRUE(store_.has_blob(digest_));
  }

  const std::string blob_ = "0123456789";
  const oci::Digest digest_ = oci::Digest::of(blob_);
  // Readers don't wait for the whole of a blob of this length.
  const std::string long_blob_ = "0123" + std::string((4 << 20) + 1, 'x');
  const oci::Digest long_digest_ = oci::Digest::of(long_blob_);
};

TEST_F(FillRestartsTest, ReaderOfAPoisonedPartialGetsTheBlob) {
  BlobAsker asker;
  take_up(asker, "abcd");
  send_all("456789", 4, 10);
  ASSERT_TRUE(asker.reading());
  EXPECT_FALSE(asker.failure());
  EXPECT_EQ(asker.readable(), 0u);
  expect_whole_from_the_start();
  EXPECT_TRUE(asker.whole());
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_EQ(counters_.digest_mismatches, 1u);
  EXPECT_EQ(counters_.fills_failed, 0u);
}

TEST_F(FillRestartsTest, ReaderGetsBytesAsTheyComeAfterTheRestart) {
  BlobAsker asker;
  take_up(asker, "abcd");
  send_all("456789", 4, 10);
  transfer()->start(0, 10);
  transfer()->send("0123");
  timers_.run();
  EXPECT_EQ(asker.read(), "0123");
}

TEST_F(FillRestartsTest, ReaderOfAGoodPartialWaitsForTheDigest) {
  BlobAsker asker;
  take_up(asker, "0123");
  transfer()->start(4, 10);
  transfer()->send("45678");
  timers_.run();
  ASSERT_TRUE(asker.reading());
  EXPECT_EQ(asker.readable(), 0u);
  transfer()->send("9");
  transfer()->end({});
  timers_.run();
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillRestartsTest, ReaderDoesNotWaitWhenMuchIsMissing) {
  BlobAsker asker;
  take_up(asker, "0123", long_digest_);
  transfer()->start(4, long_blob_.size());
  timers_.run();
  EXPECT_EQ(asker.read(), "0123");
  // After a cut, readers keep all bytes that they could read, also when little is missing.
  transfer()->send(std::string(100, 'x'));
  timers_.run();
  transfer()->fail(ErrorCode::kUnavailable);
  timers_.advance(rules_.retry.max_delay);
  transfer()->start(104, long_blob_.size());
  EXPECT_EQ(asker.readable(), 104u);
}

TEST_F(FillRestartsTest, ReaderThatHadWrongBytesEnds) {
  BlobAsker asker;
  take_up(asker, "abcd", long_digest_);
  send_all(long_blob_.substr(4), 4, long_blob_.size());
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kCorrupt);
  EXPECT_LT(asker.readable(), long_blob_.size());
  EXPECT_TRUE(upstream_->pending().empty()) << "nobody else waits";
}

TEST_F(FillRestartsTest, PrefetchGoesOnWhenAReaderEnds) {
  cache_->fetch_blob(hub(), "library/debian", long_digest_);
  BlobAsker asker;
  take_up(asker, "abcd", long_digest_);
  send_all(long_blob_.substr(4), 4, long_blob_.size());
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(transfer()->offset, 0u);
  send_all(long_blob_, 0, long_blob_.size());
  EXPECT_TRUE(store_.has_blob(long_digest_));
}

TEST_F(FillRestartsTest, GoesToTheBackgroundWhenTheLastReaderHadWrongBytes) {
  cache_->fetch_blob(hub(), "library/debian", long_digest_);
  BlobAsker asker;
  take_up(asker, "abcd", long_digest_);
  send_all(long_blob_.substr(4), 4, long_blob_.size());
  ASSERT_TRUE(asker.failure());
  asker = {};
  timers_.run();
  ASSERT_EQ(cache_->fills().size(), 1u);
  EXPECT_TRUE(cache_->fills().front().background);
}

TEST_F(FillRestartsTest, ReaderThatEndedMayAskAgainAtOnce) {
  cache_->fetch_blob(hub(), "library/debian", long_digest_);
  BlobAsker asker, again;
  asker.when_failed = [&] { open(again, long_digest_); };
  take_up(asker, "abcd", long_digest_);
  send_all(long_blob_.substr(4), 4, long_blob_.size());
  EXPECT_FALSE(again.answered());
  send_all(long_blob_, 0, long_blob_.size());
  EXPECT_TRUE(again.whole());
  EXPECT_EQ(store_.writers_made(), 2) << "it joined the same fill";
}

TEST_F(FillRestartsTest, WrongBytesOfTheSameFillEndItsReaders) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->start(0, 10);
  transfer()->send("abcd");
  timers_.run();
  EXPECT_EQ(asker.read(), "abcd");
  transfer()->fail(ErrorCode::kUnavailable);
  timers_.advance(rules_.retry.max_delay);
  send_all("456789", 4, 10);
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kCorrupt);
}

TEST_F(FillRestartsTest, TooLongPartialIsReplaced) {
  BlobAsker asker;
  take_up(asker, blob_ + "more");
  EXPECT_EQ(transfer()->offset, 14u);
  transfer()->fail(ErrorCode::kInvalid);
  timers_.run();
  EXPECT_FALSE(asker.answered());
  expect_whole_from_the_start();
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillRestartsTest, TooLongPartialIsReplacedWhenTheRangeIsIgnored) {
  BlobAsker asker;
  take_up(asker, blob_ + "more");
  transfer()->start(0, 10);
  timers_.run();
  EXPECT_FALSE(asker.answered());
  expect_whole_from_the_start();
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillRestartsTest, NewcomerJoinsBeforeTheRestartedWriterIsReady) {
  BlobAsker asker, newcomer;
  take_up(asker, "abcd");
  transfer()->start(4, 10);
  transfer()->send("456789");
  store_.hold(Step::kVerify);
  transfer()->end({});
  timers_.run();
  store_.hold(Step::kOpen);
  store_.release(Step::kVerify);
  timers_.run();
  EXPECT_EQ(cache_->fills().front().state, "opening");
  open(newcomer, digest_);
  EXPECT_FALSE(newcomer.answered());
  store_.release(Step::kOpen);
  timers_.run();
  expect_whole_from_the_start();
  EXPECT_EQ(newcomer.read(), blob_);
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillRestartsTest, BeginsAgainOnlyOnce) {
  BlobAsker asker;
  take_up(asker, "abcd");
  send_all("456789", 4, 10);
  transfer()->start(0, 10);
  transfer()->send("abcd");
  timers_.run();
  transfer()->fail(ErrorCode::kUnavailable);
  timers_.advance(rules_.retry.max_delay);
  send_all("456789", 4, 10);
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kCorrupt);
  EXPECT_TRUE(upstream_->pending().empty());
}

TEST_F(FillRestartsTest, WrongBytesOfOneTransferAreNoReasonToBeginAgain) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  send_all("012345678x", 0, 10);
  EXPECT_TRUE(asker.failure());
  EXPECT_TRUE(upstream_->pending().empty());
}

TEST_F(FillRestartsTest, ChangedSizeAfterTheRestartFailsTheReaders) {
  BlobAsker asker;
  take_up(asker, "abcd");
  send_all("456789", 4, 10);
  transfer()->start(0, 11);
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kCorrupt);
}

TEST_F(FillRestartsTest, HeldReaderGetsTheBytesWhenTheDiskIsFull) {
  rules_.max_unkept_bytes = 4;
  make_cache();
  BlobAsker asker;
  take_up(asker, "0123");
  transfer()->start(4, 10);
  timers_.run();
  EXPECT_EQ(asker.readable(), 0u);
  store_.fail(Step::kWrite, {ErrorCode::kNoSpace, "full"});
  transfer()->send("45");
  timers_.run();
  EXPECT_EQ(asker.read(), "012345");
  asker.value()->consumed(6);
  timers_.run();
  transfer()->send("6789");
  transfer()->end({});
  timers_.run();
  EXPECT_TRUE(asker.whole());
}

}  // namespace
}  // namespace layby::cache
