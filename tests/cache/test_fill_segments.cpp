// SPDX-License-Identifier: Apache-2.0
//
// A fill that asks for parts of its blob beyond the front: for readers of far ranges, and over more
// connections. The rules are scaled down, so that a blob of 40 KB is large.

#include "cache/cache_test.h"
#include "cache/segments.h"

namespace layby::cache {
namespace {

using testing::FakeUpstream;

constexpr std::uint64_t kSize = 40'000;

class FillSegmentsTest : public CacheTest {
 protected:
  FillSegmentsTest() {
    rules_.split = {400, 8'000};
    rules_.small_range_bytes = 4'000;
    blob_.resize(kSize);
    for (std::size_t i = 0; i < kSize; ++i) blob_[i] = static_cast<char>('a' + i * 31 % 23);
    digest_ = oci::Digest::of(blob_);
  }

  // Opens the blob, and begins the transfer of the front.
  FakeUpstream::RequestPtr begin(BlobAsker& asker) {
    open(asker, *digest_);
    timers_.run();
    const auto front = transfer();
    front->note_sent();
    front->start(0, kSize);
    timers_.run();
    return front;
  }
  // Opens the blob for a reader of [first, end).
  void open_range(BlobAsker& asker, std::uint64_t first, std::uint64_t end) {
    open(asker, *digest_);
    timers_.run();
    ASSERT_TRUE(asker.reading());
    asker.value()->will_read(first, end);
    timers_.run();
  }
  FakeUpstream::RequestPtr newest() const { return upstream_->requests().back(); }
  std::size_t requests() const { return upstream_->count(UpstreamKind::kBlobGet); }
  // Sends the next `count` bytes of `request`.
  void send(const FakeUpstream::RequestPtr& request, std::uint64_t from, std::uint64_t count) {
    request->send(std::string_view(blob_).substr(from, count));
    timers_.run();
  }
  // Answers `request` with all its bytes.
  void answer(const FakeUpstream::RequestPtr& request) {
    request->note_sent();
    request->start(request->offset, kSize);
    const std::uint64_t end = request->end_offset.value_or(kSize);
    send(request, request->offset, end - request->offset);
    if (request->pending()) request->end({});
    timers_.run();
  }
  std::string part(std::uint64_t from, std::uint64_t to) const {
    return blob_.substr(from, to - from);
  }

  std::string blob_;
  std::optional<oci::Digest> digest_;
};

TEST_F(FillSegmentsTest, FarRangeGetsARequestOfItsOwnAtOnce) {
  BlobAsker whole, footer;
  begin(whole);
  open_range(footer, kSize - 51, kSize);
  ASSERT_EQ(requests(), 2u);
  EXPECT_EQ(newest()->offset, 39'900u);
  EXPECT_EQ(newest()->end_offset, kSize);
  EXPECT_FALSE(newest()->is_spare());
  answer(newest());
  EXPECT_EQ(footer.readable(), kSize);
  EXPECT_TRUE(footer.read(kSize - 51, kSize) == part(kSize - 51, kSize));
  EXPECT_EQ(whole.readable(), 0u);
  EXPECT_EQ(counters_.fill_segments, 1u);
}

TEST_F(FillSegmentsTest, NearRangeWaitsForTheFront) {
  BlobAsker whole, near;
  begin(whole);
  open_range(near, 1'500, 3'000);
  EXPECT_EQ(requests(), 1u);
}

TEST_F(FillSegmentsTest, LargeRangeGetsTheLastByteAfterTheDigest) {
  BlobAsker whole, half;
  const auto front = begin(whole);
  open_range(half, 20'000, kSize);
  answer(newest());
  EXPECT_EQ(half.readable(), kSize - 1);
  send(front, 0, 20'000);
  EXPECT_EQ(half.readable(), kSize);
  EXPECT_TRUE(store_.has_blob(*digest_));
}

TEST_F(FillSegmentsTest, FrontTakesTheBytesOfAWholeSegment) {
  BlobAsker whole, middle;
  const auto front = begin(whole);
  open_range(middle, 20'000, 30'000);
  answer(newest());
  send(front, 0, 15'000);
  EXPECT_TRUE(front->pending());
  send(front, 15'000, 8'000);
  EXPECT_TRUE(front->cancelled());
  EXPECT_TRUE(whole.read() == part(0, 30'000));
  ASSERT_EQ(requests(), 3u);
  EXPECT_EQ(newest()->offset, 30'000u);
  answer(newest());
  EXPECT_TRUE(whole.read() == blob_);
  EXPECT_TRUE(store_.has_blob(*digest_));
}

TEST_F(FillSegmentsTest, FrontGoesOnWithTheTransferOfARunningSegment) {
  BlobAsker whole, middle;
  const auto front = begin(whole);
  open_range(middle, 20'000, 30'000);
  const auto segment = newest();
  segment->note_sent();
  segment->start(20'000, kSize);
  send(segment, 20'000, 4'000);
  send(front, 0, 20'000);
  EXPECT_TRUE(front->cancelled());
  EXPECT_TRUE(whole.read() == part(0, 24'000));
  EXPECT_EQ(requests(), 2u);
  EXPECT_FALSE(segment->paused());
  send(segment, 24'000, 6'000);
  EXPECT_TRUE(whole.read() == part(0, 30'000));
  segment->end({});
  answer(newest());
  EXPECT_TRUE(whole.read() == blob_);
  EXPECT_EQ(counters_.upstream_retries, 0u);
}

TEST_F(FillSegmentsTest, CutOfATakenOverSegmentIsRetriedAsTheFrontIs) {
  BlobAsker whole, middle;
  const auto front = begin(whole);
  open_range(middle, 20'000, 30'000);
  const auto segment = newest();
  segment->note_sent();
  segment->start(20'000, kSize);
  send(segment, 20'000, 4'000);
  send(front, 0, 20'000);
  segment->fail(ErrorCode::kUnavailable);
  timers_.advance(rules_.retry.max_delay);
  EXPECT_EQ(counters_.upstream_retries, 1u);
  EXPECT_EQ(newest()->offset, 24'000u);
  answer(newest());
  EXPECT_TRUE(whole.read() == blob_);
}

// Several segments may hang at one upstream, and fail one after the other, long after another
// upstream was asked.
TEST_F(FillSegmentsTest, FailureOfATakenOverSegmentIsNoAttempt) {
  rules_.retry.max_attempts = 2;
  BlobAsker whole, middle;
  const auto front = begin(whole);
  open_range(middle, 20'000, 30'000);
  const auto segment = newest();
  segment->note_sent();
  segment->start(20'000, kSize);
  send(front, 0, 19'990);
  front->fail(ErrorCode::kUnavailable);
  timers_.advance(rules_.retry.max_delay);
  ASSERT_EQ(newest()->offset, 19'990u);
  answer(newest());
  ASSERT_EQ(requests(), 3u);
  segment->fail(ErrorCode::kUnavailable);
  timers_.advance(rules_.retry.max_delay);
  ASSERT_EQ(newest()->offset, 20'000u);
  answer(newest());
  EXPECT_TRUE(whole.read() == blob_);
}

TEST_F(FillSegmentsTest, SegmentWithoutBytesIsDroppedWhenTheFrontPasses) {
  BlobAsker whole, middle;
  const auto front = begin(whole);
  open_range(middle, 20'000, 30'000);
  const auto segment = newest();
  send(front, 0, 25'000);
  EXPECT_TRUE(segment->cancelled());
  send(front, 25'000, 15'000);
  front->end({});
  timers_.run();
  EXPECT_TRUE(whole.read() == blob_);
  EXPECT_EQ(requests(), 2u);
}

TEST_F(FillSegmentsTest, UpstreamThatIgnoresRangesIsAskedForNoMoreSegments) {
  BlobAsker whole, footer, middle;
  const auto front = begin(whole);
  open_range(footer, kSize - 51, kSize);
  newest()->note_sent();
  newest()->start(0, kSize);
  EXPECT_TRUE(newest()->cancelled());
  open_range(middle, 20'000, 21'000);
  timers_.advance(seconds(5));
  EXPECT_EQ(requests(), 2u);
  send(front, 0, kSize);
  front->end({});
  timers_.run();
  EXPECT_TRUE(footer.read(kSize - 51, kSize) == part(kSize - 51, kSize));
}

TEST_F(FillSegmentsTest, CutSegmentIsAskedAgainFromItsEnd) {
  BlobAsker whole, middle;
  begin(whole);
  open_range(middle, 20'000, 30'000);
  const auto first = newest();
  first->note_sent();
  first->start(20'000, kSize);
  send(first, 20'000, 5'000);
  first->fail(ErrorCode::kUnavailable);
  timers_.advance(policy::Split::kTick);
  ASSERT_EQ(requests(), 3u);
  EXPECT_EQ(newest()->offset, 25'000u);
  EXPECT_EQ(newest()->end_offset, 30'000u);
  answer(newest());
  EXPECT_TRUE(middle.read(20'000, 30'000) == part(20'000, 30'000));
}

TEST_F(FillSegmentsTest, SegmentsThatFailAgainAndAgainEnd) {
  BlobAsker whole, footer;
  begin(whole);
  open_range(footer, kSize - 51, kSize);
  for (int i = 0; i < 20; ++i) {
    if (newest()->end_offset && newest()->pending()) {
      newest()->note_sent();
      newest()->fail(ErrorCode::kUnavailable);
    }
    timers_.advance(policy::Split::kTick);
  }
  EXPECT_EQ(requests(), 5u);
}

TEST_F(FillSegmentsTest, SegmentsEndWhenAllClientsHaveLeft) {
  BlobAsker whole, middle;
  const auto front = begin(whole);
  send(front, 0, 1'000);
  open_range(middle, 20'000, 30'000);
  const auto segment = newest();
  segment->note_sent();
  segment->start(20'000, kSize);
  send(segment, 20'000, 4'000);
  whole.leave();
  middle.leave();
  timers_.run();
  EXPECT_TRUE(segment->cancelled());
  EXPECT_TRUE(front->pending());
  send(front, 1'000, 19'000);
  EXPECT_EQ(newest()->offset, 24'000u);
  answer(newest());
  EXPECT_TRUE(store_.has_blob(*digest_));
}

TEST_F(FillSegmentsTest, FailedWriteAheadLeavesTheRestToTheFront) {
  BlobAsker whole, middle;
  const auto front = begin(whole);
  open_range(middle, 20'000, 30'000);
  store_.fail(Step::kWriteAhead, {ErrorCode::kNoSpace, "full"});
  const auto segment = newest();
  segment->note_sent();
  segment->start(20'000, kSize);
  send(segment, 20'000, 4'000);
  EXPECT_TRUE(segment->cancelled());
  send(front, 0, kSize);
  front->end({});
  timers_.run();
  EXPECT_TRUE(whole.read() == blob_);
}

TEST_F(FillSegmentsTest, UnkeptBlobHasNoSegments) {
  BlobAsker whole, middle;
  const auto front = begin(whole);
  open_range(middle, 20'000, 30'000);
  const auto segment = newest();
  store_.fail(Step::kWrite, {ErrorCode::kNoSpace, "full"});
  send(front, 0, 1'000);
  EXPECT_TRUE(segment->cancelled());
  timers_.advance(seconds(5));
  EXPECT_EQ(requests(), 2u);
}

TEST_F(FillSegmentsTest, WrongBytesOfASegmentAreFoundByTheDigest) {
  BlobAsker whole, middle;
  const auto front = begin(whole);
  open_range(middle, 20'000, 30'000);
  const auto segment = newest();
  segment->note_sent();
  segment->start(20'000, kSize);
  segment->send(std::string(10'000, '?'));
  segment->end({});
  timers_.run();
  send(front, 0, 20'000);
  answer(newest());
  EXPECT_TRUE(whole.failure());
  EXPECT_EQ(whole.readable(), kSize - 1);
  EXPECT_FALSE(store_.has_blob(*digest_));
  EXPECT_FALSE(store_.partial(*digest_));
}

TEST_F(FillSegmentsTest, SlowUpstreamIsAskedOverMoreConnections) {
  BlobAsker whole;
  const auto front = begin(whole);
  std::uint64_t sent = 0;
  for (; requests() == 1 && sent < kSize / 2; sent += 1'000) {
    send(front, sent, 1'000);
    timers_.advance(policy::Split::kTick);
  }
  ASSERT_EQ(requests(), 2u);
  EXPECT_EQ(sent, 2'000u);
  EXPECT_TRUE(newest()->is_spare());
  EXPECT_EQ(newest()->offset, sent + newest()->end_offset.value() - newest()->offset);
}

TEST_F(FillSegmentsTest, ConnectionsThatMakeTheBlobFasterAreKept) {
  BlobAsker whole;
  begin(whole);
  std::map<FakeUpstream::RequestPtr, std::uint64_t> at;
  std::size_t most = 0;
  for (int i = 0; i < 60 && !whole.whole(); ++i) {
    for (const auto& request : upstream_->pending()) {
      if (!request->pending()) continue;  // The front took over another segment.
      if (!request->started()) {
        request->note_sent();
        request->start(request->offset, kSize);
      }
      std::uint64_t& next = at.try_emplace(request, request->offset).first->second;
      const std::uint64_t end = request->end_offset.value_or(kSize);
      const std::uint64_t count = request->paused() ? 0 : std::min<std::uint64_t>(500, end - next);
      next += count;
      if (count > 0) send(request, next - count, count);
      if (next == end && request->pending()) request->end({});
      timers_.run();
    }
    most = std::max(most, upstream_->pending().size());
    timers_.advance(policy::Split::kTick);
  }
  EXPECT_EQ(most, 4u);
  EXPECT_TRUE(whole.read() == blob_);
  EXPECT_TRUE(store_.has_blob(*digest_));
  std::uint64_t all = 0;
  for (const auto& [request, end] : at) all += end - request->offset;
  EXPECT_LE(all, kSize + 500);
}

// -- segments without a fill

class SegmentsTest : public ::testing::Test, private Segments::Owner, private BlobSink {
 protected:
  void add(std::uint64_t begin, std::uint64_t end) {
    segments_.add(begin, end, 100, Segments::Kind::kWanted);
    upstream_.requests().back()->start(begin, 100);
    upstream_.requests().back()->send(std::string(end - begin, 'x'));
    upstream_.requests().back()->end({});
  }

  FakeUpstream upstream_;
  Segments segments_{*this, *this};

 private:
  std::unique_ptr<BlobTransfer> ask_segment(const BlobSpan& span, BlobSink& sink) override {
    return upstream_.get_blob("library/debian", oci::Digest::of("a blob"), span, sink);
  }
  void on_segment_bytes(std::uint64_t /*offset*/, std::string_view /*bytes*/) override {}
  void on_segment_end(bool /*whole*/) override {}
  void on_blob_start(const BlobStart& /*start*/) override {}
  void on_blob_bytes(std::string_view /*bytes*/) override {}
  void on_blob_end(Status /*status*/) override {}
};

// A writer joins the bytes of neighbours into one write.
TEST_F(SegmentsTest, OneWriteMayEndInTheNextSegment) {
  add(10, 20);
  add(20, 40);
  segments_.on_written(10, 15);
  EXPECT_EQ(segments_.readable_end(10), 15u);
  segments_.on_written(15, 30);
  EXPECT_EQ(segments_.readable_end(10), 30u);
  segments_.on_written(30, 40);
  EXPECT_EQ(segments_.take(10, 100), 10u);
  EXPECT_EQ(segments_.take(20, 100), 20u);
}

}  // namespace
}  // namespace layby::cache
