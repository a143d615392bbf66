// SPDX-License-Identifier: Apache-2.0
//
// The table of fills: a blob comes from the store, from a fill in flight or from a new fill.
// Also tests the counters of these three cases, and HEAD, which fetches nothing.

#include "cache/cache_test.h"

namespace layby::cache {
namespace {

class FillsTest : public CacheTest {
 protected:
  void head_blob(Asker<BlobHead>& asker, const oci::Digest& digest) {
    asker.handle = cache_->head_blob(hub(), "library/debian", digest, asker.done());
  }

  // Begins a background fetch of the blob, and sends its first four bytes.
  testing::FakeUpstream::RequestPtr begin_in_background(std::uint64_t size_bytes) {
    cache_->fetch_blob(hub(), "library/debian", digest_);
    timers_.run();
    const auto request = transfer();
    request->start(0, size_bytes);
    request->send(blob_.substr(0, 4));
    timers_.run();
    return request;
  }

  const std::string blob_ = "0123456789";
  const oci::Digest digest_ = oci::Digest::of(blob_);
};

TEST_F(FillsTest, StoredBlobIsGivenAtOnce) {
  store_.add_blob(blob_);
  BlobAsker asker;
  open(asker, digest_);
  ASSERT_TRUE(asker.reading());
  EXPECT_EQ(asker.handle, nullptr);
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_FALSE(asker.value()->from_fill());
  EXPECT_TRUE(upstream_->requests().empty());
}

TEST_F(FillsTest, StoredBlobCanBeReadAfterItWasEvicted) {
  store_.add_blob(blob_);
  BlobAsker asker;
  open(asker, digest_);
  store_.remove_blob(digest_);
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillsTest, HitIsCounted) {
  store_.add_blob(blob_);
  BlobAsker asker;
  open(asker, digest_);
  EXPECT_EQ(counters_.blob_hits, 1u);
  EXPECT_EQ(counters_.blob_misses, 0u);
}

TEST_F(FillsTest, MissAndSharedReadsAreCounted) {
  BlobAsker first, second, third;
  open(first, digest_);
  open(second, digest_);
  timers_.run();
  transfer()->start(0, 10);
  open(third, digest_);
  EXPECT_EQ(counters_.blob_misses, 1u);
  EXPECT_EQ(counters_.blob_shared, 2u);
  EXPECT_EQ(counters_.blob_hits, 0u);
  EXPECT_EQ(counters_.fills_started, 1u);
}

TEST_F(FillsTest, DifferentBlobsAreFilledAtTheSameTime) {
  BlobAsker first, second;
  open(first, digest_);
  open(second, oci::Digest::of("other"));
  timers_.run();
  EXPECT_EQ(upstream_->pending().size(), 2u);
  EXPECT_EQ(cache_->fills().size(), 2u);
}

TEST_F(FillsTest, EvictedBlobIsFilledAgain) {
  store_.add_blob(blob_);
  store_.remove_blob(digest_);
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  EXPECT_EQ(transfer()->kind, UpstreamKind::kBlobGet);
}

TEST_F(FillsTest, BlobWithoutRoomPassesThroughUnstored) {
  store_.reported_usage().disk_free_bytes = 1 << 30;  // Equals min_free_bytes.
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->start(0, 10);
  transfer()->send(blob_);
  transfer()->end({});
  timers_.run();
  EXPECT_TRUE(asker.whole());
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_FALSE(store_.has_blob(digest_));
  EXPECT_TRUE(cache_->full());
  EXPECT_EQ(counters_.fills_unkept, 1u);
  EXPECT_EQ(counters_.fills_failed, 0u);
}

TEST_F(FillsTest, RoomReservedByOtherFillsIsNotGivenTwice) {
  store_.reported_usage().disk_free_bytes = (1 << 30) + 15;
  BlobAsker first, second;
  open(first, digest_);
  open(second, oci::Digest::of("another blob"));
  timers_.run();
  const auto first_transfer = upstream_->pending()[0];
  const auto second_transfer = upstream_->pending()[1];
  first_transfer->start(0, 10);
  second_transfer->start(0, 12);
  first_transfer->send(blob_);
  second_transfer->send("another blob");
  first_transfer->end({});
  second_transfer->end({});
  timers_.run();
  EXPECT_TRUE(first.whole());
  EXPECT_TRUE(second.whole());
  EXPECT_TRUE(store_.has_blob(digest_));
  EXPECT_FALSE(store_.has_blob(oci::Digest::of("another blob")));
}

TEST_F(FillsTest, FillStopsStoringWhenOthersFillTheDisk) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->start(0, 10);
  transfer()->send("0123");
  timers_.run();
  store_.reported_usage().disk_free_bytes = 0;
  timers_.advance(std::chrono::seconds(5));
  transfer()->send("456789");
  transfer()->end({});
  timers_.run();
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_FALSE(store_.has_blob(digest_));
  EXPECT_EQ(store_.partial(digest_), "0123") << "kept for a later fill";
}

TEST_F(FillsTest, BlobFetchedWithoutReadersIsStored) {
  cache_->fetch_blob(hub(), "library/debian", digest_);
  timers_.run();
  send_all(blob_, 0, 10);
  EXPECT_TRUE(store_.has_blob(digest_));
}

TEST_F(FillsTest, HitCountsAsAUseAndHeadDoesNot) {
  store_.add_blob(blob_);
  Asker<BlobHead> head;
  head_blob(head, digest_);
  EXPECT_TRUE(store_.touched().empty());
  BlobAsker asker;
  open(asker, digest_);
  EXPECT_EQ(store_.touched(), std::vector<oci::Digest>{digest_});
}

TEST_F(FillsTest, HeadOfAStoredBlobIsAnsweredFromTheStore) {
  store_.add_blob(blob_);
  Asker<BlobHead> asker;
  head_blob(asker, digest_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().size_bytes, 10u);
  EXPECT_TRUE(upstream_->requests().empty());
}

TEST_F(FillsTest, HeadOfAFillingBlobIsAnsweredFromTheFill) {
  BlobAsker filling;
  open(filling, digest_);
  timers_.run();
  transfer()->start(0, 10);
  Asker<BlobHead> asker;
  head_blob(asker, digest_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().size_bytes, 10u);
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

TEST_F(FillsTest, HeadOfAnUnknownBlobSendsOnlyAHeadUpstream) {
  Asker<BlobHead> asker;
  head_blob(asker, digest_);
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kBlobHead);
  upstream_->only_pending()->answer_blob_head(BlobHead{10});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().size_bytes, 10u);
  EXPECT_TRUE(cache_->fills().empty());
}

TEST_F(FillsTest, HeadWithoutASizeIsPassedToTheClient) {
  Asker<BlobHead> asker;
  head_blob(asker, digest_);
  upstream_->only_pending()->answer_blob_head(BlobHead{});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().size_bytes, std::nullopt);
}

TEST_F(FillsTest, HeadOfAMissingBlobIsNotFound) {
  Asker<BlobHead> asker;
  head_blob(asker, digest_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  EXPECT_EQ(asker.error(), ErrorCode::kNotFound);
}

TEST_F(FillsTest, HeadIsRetried) {
  Asker<BlobHead> asker;
  head_blob(asker, digest_);
  upstream_->only_pending()->fail(ErrorCode::kUnavailable);
  EXPECT_FALSE(asker.answered());
  timers_.advance(rules_.retry.max_delay);
  upstream_->only_pending()->answer_blob_head(BlobHead{10});
  EXPECT_TRUE(asker.ok());
}

TEST_F(FillsTest, DroppingAHeadCancelsItsRequest) {
  Asker<BlobHead> asker;
  head_blob(asker, digest_);
  asker.handle.reset();
  EXPECT_TRUE(upstream_->pending().empty());
}

TEST_F(FillsTest, HeadDroppedDuringBackoffIsNotRetried) {
  Asker<BlobHead> asker;
  head_blob(asker, digest_);
  upstream_->only_pending()->fail(ErrorCode::kUnavailable);
  asker.handle.reset();
  timers_.advance(seconds(60));
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

TEST_F(FillsTest, HeadMayDropItsHandleInsideTheAnswer) {
  Asker<BlobHead> asker;
  head_blob(asker, digest_);
  asker.then = [&] { asker.handle.reset(); };
  upstream_->only_pending()->answer_blob_head(BlobHead{10});
  EXPECT_TRUE(asker.ok());
}

TEST_F(FillsTest, ClientRestartsTheTransferOfABackgroundBlobWithMuchLeft) {
  const auto background = begin_in_background(20 << 20);
  BlobAsker asker;
  open(asker, digest_);
  EXPECT_TRUE(background->cancelled());
  EXPECT_EQ(transfer()->offset, 4u);
  transfer()->start(4, 20 << 20);
  transfer()->send("4567");
  timers_.run();
  EXPECT_EQ(asker.readable(), 8u);
}

TEST_F(FillsTest, ClientJoinsTheTransferOfABackgroundBlobWithLittleLeft) {
  const auto background = begin_in_background(blob_.size());
  BlobAsker asker;
  open(asker, digest_);
  EXPECT_FALSE(background->cancelled());
  background->send("456789");
  background->end({});
  timers_.run();
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

}  // namespace
}  // namespace layby::cache
