// SPDX-License-Identifier: Apache-2.0
//
// A fill whose first byte is late sends a hedge. The tests play an upstream that hangs on one
// request for a blob, and answers the next request.

#include "cache/cache_test.h"
#include "layby/cache/failover.h"

namespace layby::cache {
namespace {

using testing::FakeUpstream;

class FillHedgesTest : public CacheTest {
 protected:
  // Opens a blob, and lets its request leave for upstream.
  FakeUpstream::RequestPtr ask(BlobAsker& asker, const oci::Digest& digest) {
    open(asker, digest);
    timers_.run();
    auto request = upstream_->requests().back();
    request->note_sent();
    return request;
  }
  FakeUpstream::RequestPtr ask(BlobAsker& asker) { return ask(asker, digest_); }
  // The request that was sent last.
  FakeUpstream::RequestPtr newest() const { return upstream_->requests().back(); }
  std::size_t requests() const { return upstream_->count(UpstreamKind::kBlobGet); }
  void answer(const FakeUpstream::RequestPtr& request) {
    request->start(0, blob_.size());
    request->send(blob_);
    request->end({});
    timers_.run();
  }
  // Fetches `count` other blobs. Upstream answers each request after the time `late`.
  void answer_others(int count, milliseconds late) {
    for (int i = 0; i < count; ++i) {
      BlobAsker asker;
      const std::string blob = "another blob " + std::to_string(i);
      const auto request = ask(asker, oci::Digest::of(blob));
      timers_.advance(late);
      request->start(0, blob.size());
      request->send(blob);
      request->end({});
      timers_.run();
    }
  }

  const std::string blob_ = "0123456789";
  const oci::Digest digest_ = oci::Digest::of(blob_);
};

TEST_F(FillHedgesTest, SecondRequestWinsWhenTheFirstHangs) {
  BlobAsker asker;
  const auto first = ask(asker);
  timers_.advance(seconds(2));
  ASSERT_EQ(requests(), 2u);
  EXPECT_TRUE(newest()->is_hedge());
  EXPECT_TRUE(first->pending());
  answer(newest());
  EXPECT_TRUE(first->cancelled());
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_TRUE(store_.has_blob(digest_));
  EXPECT_EQ(counters_.hedges_sent, 1u);
  EXPECT_EQ(counters_.hedges_won, 1u);
}

TEST_F(FillHedgesTest, FirstRequestMayStillWin) {
  BlobAsker asker;
  const auto first = ask(asker);
  timers_.advance(seconds(3));
  const auto second = newest();
  ASSERT_NE(first, second);
  answer(first);
  EXPECT_TRUE(second->cancelled());
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_EQ(counters_.hedges_sent, 1u);
  EXPECT_EQ(counters_.hedges_won, 0u);
}

TEST_F(FillHedgesTest, NothingIsSentTwiceWhenTheFirstByteComesInTime) {
  BlobAsker asker;
  const auto first = ask(asker);
  timers_.advance(milliseconds(1'999));
  first->start(0, 10);
  timers_.advance(seconds(60));
  EXPECT_EQ(requests(), 1u);
}

TEST_F(FillHedgesTest, RequestThatWaitsForItsSlotIsNotLate) {
  BlobAsker asker, newcomer;
  open(asker, digest_);
  timers_.advance(seconds(20));
  open(newcomer, digest_);
  EXPECT_EQ(requests(), 1u);
}

TEST_F(FillHedgesTest, SlowUpstreamGetsMoreTime) {
  answer_others(20, milliseconds(1'500));
  const auto before = requests();
  BlobAsker asker;
  ask(asker);
  timers_.advance(milliseconds(2'999));
  EXPECT_EQ(requests(), before + 1);
  timers_.advance(milliseconds(1));
  EXPECT_EQ(requests(), before + 2);
}

TEST_F(FillHedgesTest, HedgeThatFailsEndsNothing) {
  BlobAsker asker;
  const auto first = ask(asker);
  timers_.advance(seconds(2));
  newest()->fail(ErrorCode::kUnavailable);
  timers_.advance(seconds(1));
  EXPECT_FALSE(asker.answered());
  EXPECT_EQ(requests(), 2u);
  answer(first);
  EXPECT_EQ(asker.read(), blob_);
  EXPECT_EQ(counters_.upstream_retries, 0u);
}

TEST_F(FillHedgesTest, HedgeGoesOnAfterTheFirstRequestFailed) {
  BlobAsker asker;
  const auto first = ask(asker);
  timers_.advance(seconds(2));
  first->fail(ErrorCode::kTimedOut);
  timers_.advance(seconds(1));
  EXPECT_EQ(requests(), 2u);
  answer(newest());
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillHedgesTest, FillIsTriedAgainWhenBothFail) {
  BlobAsker asker;
  const auto first = ask(asker);
  timers_.advance(seconds(2));
  first->fail(ErrorCode::kUnavailable);
  newest()->fail(ErrorCode::kUnavailable);
  timers_.advance(rules_.retry.max_delay);
  ASSERT_EQ(requests(), 3u);
  EXPECT_FALSE(newest()->is_hedge());
  answer(newest());
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillHedgesTest, RefusalOfTheHedgeIsTheAnswer) {
  BlobAsker asker;
  const auto first = ask(asker);
  timers_.advance(seconds(2));
  newest()->fail(ErrorCode::kNotFound);
  EXPECT_EQ(asker.error(), ErrorCode::kNotFound);
  EXPECT_TRUE(first->cancelled());
}

// -- newcomers

TEST_F(FillHedgesTest, NewcomerGetsAHedgeWhenTheFirstHedgeHangsToo) {
  BlobAsker asker, newcomer;
  const auto first = ask(asker);
  timers_.advance(seconds(2));
  const auto second = newest();
  timers_.advance(seconds(10));
  ASSERT_EQ(requests(), 2u);
  open(newcomer, digest_);
  ASSERT_EQ(requests(), 3u);
  EXPECT_TRUE(first->cancelled()) << "at most two requests are under way";
  EXPECT_TRUE(second->pending());
  answer(newest());
  EXPECT_EQ(newcomer.read(), blob_);
  EXPECT_EQ(asker.read(), blob_);
}

TEST_F(FillHedgesTest, NewcomersHedgeIsTriedAgain) {
  BlobAsker asker, newcomer;
  ask(asker);
  timers_.advance(seconds(12));
  ASSERT_EQ(requests(), 2u);
  upstream_->refuse_hedges(true);
  open(newcomer, digest_);
  ASSERT_EQ(requests(), 2u);
  upstream_->refuse_hedges(false);
  timers_.advance(seconds(2));
  EXPECT_EQ(requests(), 3u);
}

TEST_F(FillHedgesTest, QuietUpstreamGetsNoHedge) {
  BlobAsker asker;
  ask(asker);
  Asker<TagPage> list;
  list.handle = cache_->get_tags(hub(), "library/debian", {}, list.done());
  upstream_->requests().back()->fail({ErrorCode::kThrottled, "429", seconds(30)});
  timers_.advance(seconds(10));
  EXPECT_EQ(requests(), 1u);
}

TEST_F(FillHedgesTest, NewcomersOfOneMomentGetOneHedge) {
  BlobAsker asker, newcomers[5];
  ask(asker);
  timers_.advance(seconds(12));
  for (BlobAsker& newcomer : newcomers) open(newcomer, digest_);
  EXPECT_EQ(requests(), 3u);
}

TEST_F(FillHedgesTest, OneRequestHasFewHedges) {
  BlobAsker asker, newcomers[10];
  ask(asker);
  for (BlobAsker& newcomer : newcomers) {
    timers_.advance(seconds(10));
    open(newcomer, digest_);
  }
  EXPECT_EQ(requests(), 4u);
}

TEST_F(FillHedgesTest, NewcomerBringsAHedgeToAFillOfTheBackground) {
  cache_->fetch_blob(hub(), "library/debian", digest_);
  timers_.run();
  newest()->note_sent();
  timers_.advance(seconds(9));
  EXPECT_EQ(requests(), 1u) << "nobody waits";
  BlobAsker newcomer;
  open(newcomer, digest_);
  EXPECT_EQ(requests(), 2u);
}

// -- limits

TEST_F(FillHedgesTest, KeepsToItsBudget) {
  std::vector<BlobAsker> askers(10);
  for (int i = 0; i < 10; ++i) {
    ask(askers[static_cast<std::size_t>(i)], oci::Digest::of(std::to_string(i)));
  }
  timers_.advance(seconds(2));
  EXPECT_EQ(counters_.hedges_sent, 3u) << "two of five are left for newcomers";
  BlobAsker newcomers[3];
  for (int i = 7; i < 10; ++i) open(newcomers[i - 7], oci::Digest::of(std::to_string(i)));
  EXPECT_EQ(counters_.hedges_sent, 5u);
  EXPECT_EQ(requests(), 15u);
}

TEST_F(FillHedgesTest, HedgeWithoutBudgetIsSentLater) {
  std::vector<BlobAsker> askers(4);
  for (int i = 0; i < 4; ++i) {
    ask(askers[static_cast<std::size_t>(i)], oci::Digest::of(std::to_string(i)));
  }
  timers_.advance(seconds(14));
  EXPECT_EQ(counters_.hedges_sent, 4u) << "a hedge is refilled after twelve seconds";
}

TEST_F(FillHedgesTest, EachUpstreamHasItsOwnBudget) {
  std::vector<BlobAsker> askers(5);
  for (int i = 0; i < 5; ++i) {
    ask(askers[static_cast<std::size_t>(i)], oci::Digest::of(std::to_string(i)));
  }
  timers_.advance(seconds(2));
  BlobAsker asker;
  asker.handle = cache_->open_blob(other(), "library/debian", digest_, asker.done(), {});
  timers_.run();
  other_upstream_->only_pending()->note_sent();
  timers_.advance(seconds(2));
  EXPECT_EQ(other_upstream_->requests().size(), 2u);
}

TEST_F(FillHedgesTest, HedgeCountsInTheMinute) {
  guard_rules_.requests_per_minute = 3;
  make_cache();
  BlobAsker asker, next;
  ask(asker);
  timers_.advance(seconds(2));
  ASSERT_EQ(requests(), 2u);
  open(next, oci::Digest::of("next"));
  timers_.run();
  EXPECT_EQ(requests(), 2u) << "the minute is used up";
}

TEST_F(FillHedgesTest, HedgeDoesNotExceedTheMinute) {
  guard_rules_.requests_per_minute = 2;
  make_cache();
  BlobAsker asker;
  ask(asker);
  timers_.advance(seconds(20));
  EXPECT_EQ(requests(), 1u);
  EXPECT_EQ(counters_.hedges_sent, 0u);
}

TEST_F(FillHedgesTest, HedgeNeedsNoSecondSlot) {
  guard_rules_.max_blob_transfers = 1;
  make_cache();
  BlobAsker asker, waiting;
  ask(asker);
  open(waiting, oci::Digest::of("waiting"));
  timers_.advance(seconds(2));
  EXPECT_EQ(requests(), 2u);
  EXPECT_TRUE(newest()->is_hedge());
  answer(newest());
  EXPECT_EQ(requests(), 3u) << "the slot is free for the next blob";
}

TEST_F(FillHedgesTest, HedgeThatWasNotSentCostsNothing) {
  upstream_->refuse_hedges(true);
  std::vector<BlobAsker> askers(5);
  for (int i = 0; i < 5; ++i) {
    ask(askers[static_cast<std::size_t>(i)], oci::Digest::of(std::to_string(i)));
  }
  timers_.advance(seconds(3));
  EXPECT_EQ(counters_.hedges_sent, 0u);
  upstream_->refuse_hedges(false);
  timers_.advance(seconds(1));
  EXPECT_EQ(counters_.hedges_sent, 3u);
}

TEST_F(FillHedgesTest, NoHedgeFollowsAFillThatIsOver) {
  BlobAsker asker;
  ask(asker);
  asker.handle.reset();
  timers_.advance(seconds(60));
  EXPECT_EQ(requests(), 1u);
  EXPECT_TRUE(cache_->fills().empty());
}

// -- a parent before the registry

TEST(FailoverHedgesTest, HedgeGoesToTheUpstreamThatIsAsked) {
  testing::FakeClock clock;
  auto parent_owned = std::make_unique<FakeUpstream>();
  auto registry_owned = std::make_unique<FakeUpstream>();
  FakeUpstream& parent = *parent_owned;
  FakeUpstream& registry = *registry_owned;
  Failover both(std::move(parent_owned), std::move(registry_owned), clock, nullptr);
  struct Sink final : BlobSink {
    void on_blob_asked() override { ++asked; }
    void on_blob_start(const BlobStart& start) override { by_hedge = start.by_hedge; }
    void on_blob_bytes(std::string_view) override {}
    void on_blob_end(Status) override {}
    int asked = 0;
    bool by_hedge = false;
  } sink;
  const auto transfer = both.get_blob("library/debian", oci::Digest::of("a blob"), 0, sink);
  parent.only_pending()->note_sent();
  EXPECT_TRUE(transfer->hedge());
  EXPECT_EQ(parent.requests().size(), 2u);
  for (const auto& request : parent.pending()) request->fail(ErrorCode::kUnavailable);
  registry.only_pending()->note_sent();
  EXPECT_EQ(sink.asked, 2);
  EXPECT_TRUE(transfer->hedge());
  registry.pending().back()->start(0, 6);
  EXPECT_TRUE(sink.by_hedge);
}

}  // namespace
}  // namespace layby::cache
