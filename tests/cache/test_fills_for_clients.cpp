// SPDX-License-Identifier: Apache-2.0
//
// Fills serve the clients that wait for them. After its last client has left, a fill ends or goes
// to the background. A fill that waits for slow readers lends its slot. No client may have too many
// waiting fills. A refusal is remembered.

#include "cache/cache_test.h"
#include "layby/policy/fair_slots.h"

namespace layby::cache {
namespace {

using testing::FakeUpstream;

class FillsForClientsTest : public CacheTest {
 protected:
  // Opens a blob for `client`, and lets its first byte come.
  FakeUpstream::RequestPtr begin(BlobAsker& asker, const oci::Digest& digest,
                                 const IpAddress& client = kAnna) {
    open(asker, digest, client);
    timers_.run();
    const auto request = upstream_->pending().back();
    request->start(0, 10);
    request->send("0");
    timers_.run();
    return request;
  }
  static oci::Digest digest_of(int number) {
    return oci::Digest::of("blob " + std::to_string(number));
  }

  static inline const IpAddress kAnna = *parse_ip_address("10.0.0.1");
  static inline const IpAddress kBen = *parse_ip_address("10.0.0.2");
  const std::string blob_ = "0123456789";
  const oci::Digest digest_ = oci::Digest::of(blob_);
};

// -- fills without clients

TEST_F(FillsForClientsTest, FillWithoutAByteEndsWithItsLastOpener) {
  BlobAsker first, second;
  open(first, digest_, kAnna);
  open(second, digest_, kBen);
  timers_.run();
  first.handle.reset();
  timers_.run();
  EXPECT_EQ(upstream_->pending().size(), 1u);
  second.handle.reset();
  timers_.run();
  EXPECT_TRUE(upstream_->pending().empty());
  EXPECT_TRUE(cache_->fills().empty());
  EXPECT_EQ(counters_.fills_failed, 0u);
}

TEST_F(FillsForClientsTest, FillWithoutAByteEndsWithItsLastReader) {
  BlobAsker asker;
  open(asker, digest_, kAnna);
  timers_.run();
  transfer()->start(0, 10);
  asker.leave();
  timers_.run();
  EXPECT_TRUE(cache_->fills().empty());
}

TEST_F(FillsForClientsTest, FillThatIsOpenedAgainAtOnceGoesOn) {
  BlobAsker first, second;
  open(first, digest_, kAnna);
  timers_.run();
  first.handle.reset();
  open(second, digest_, kBen);
  timers_.run();
  EXPECT_EQ(upstream_->requests().size(), 1u);
  EXPECT_TRUE(transfer()->pending());
}

TEST_F(FillsForClientsTest, FillWithoutAByteGoesOnForAFetch) {
  cache_->fetch_blob(hub(), "library/debian", digest_);
  BlobAsker asker;
  open(asker, digest_, kAnna);
  timers_.run();
  asker.handle.reset();
  timers_.run();
  send_all(blob_, 0, 10);
  EXPECT_TRUE(store_.has_blob(digest_));
}

TEST_F(FillsForClientsTest, LeftFillWaitsWhileAnotherClientWaits) {
  BlobAsker left, waiting;
  const auto left_request = begin(left, digest_);
  left.leave();
  timers_.run();
  EXPECT_FALSE(left_request->paused());
  EXPECT_TRUE(cache_->fills().front().background);
  const auto request = begin(waiting, digest_of(1), kBen);
  EXPECT_TRUE(left_request->paused());
  EXPECT_TRUE(left_request->lends_slot());
  EXPECT_FALSE(request->paused());
  request->end(Error{ErrorCode::kNotFound, "gone"});
  timers_.run();
  EXPECT_FALSE(left_request->paused());
}

TEST_F(FillsForClientsTest, ClientThatComesBackContinuesTheTransfer) {
  BlobAsker left, back, waiting;
  const auto request = begin(left, digest_);
  left.leave();
  begin(waiting, digest_of(1), kBen);
  open(back, digest_, kAnna);
  timers_.run();
  EXPECT_FALSE(request->paused());
  EXPECT_FALSE(request->lends_slot());
  EXPECT_EQ(upstream_->requests().size(), 2u);
}

TEST_F(FillsForClientsTest, OnlySomeLeftFillsGoOn) {
  constexpr std::size_t kGoOn = 32;
  for (int i = 0; i < 40; ++i) {
    BlobAsker asker;
    begin(asker, digest_of(i));
    asker.leave();
    timers_.run();
  }
  EXPECT_EQ(cache_->fills().size(), kGoOn);
  EXPECT_EQ(upstream_->pending().size(), kGoOn);
}

// -- the line

TEST_F(FillsForClientsTest, TransferIsForTheClientWhoseTurnItTook) {
  BlobAsker first, second;
  open(first, digest_, kAnna);
  open(second, digest_, kBen);
  timers_.run();
  EXPECT_EQ(transfer()->clients(), std::vector<IpAddress>{kAnna});
  first.handle.reset();
  EXPECT_EQ(transfer()->clients(), std::vector<IpAddress>{kAnna});
}

TEST_F(FillsForClientsTest, ClientWithTooManyWaitingFillsIsToldToComeBack) {
  std::vector<BlobAsker> askers(policy::kMostWaitingOfClient);
  for (std::size_t i = 0; i < askers.size(); ++i) {
    open(askers[i], digest_of(static_cast<int>(i)), kAnna);
  }
  BlobAsker refused, joined, other;
  std::optional<Error> error;
  refused.handle = cache_->open_blob(
      hub(), "library/debian", digest_, [&](const auto& answer) { error = answer.error(); }, kAnna);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kThrottled);
  EXPECT_TRUE(error->retry_after);
  open(joined, digest_of(0), kAnna);
  open(other, digest_, kBen);
  timers_.run();
  EXPECT_FALSE(joined.answered());
  EXPECT_FALSE(other.answered());
  EXPECT_EQ(upstream_->requests().back()->reference, digest_.str());
}

// -- slow readers

class SlowReaderTest : public FillsForClientsTest {
 protected:
  void SetUp() override {
    rules_.max_unkept_bytes = 4;
    store_.fail(Step::kWrite, {ErrorCode::kNoSpace, "full"});
    FillsForClientsTest::SetUp();
  }
};

TEST_F(SlowReaderTest, PassingBlobLendsItsSlotUntilItsReadersGoOn) {
  BlobAsker slow;
  const auto request = begin(slow, digest_);
  request->send("1234");
  timers_.run();
  EXPECT_TRUE(request->paused());
  EXPECT_TRUE(request->lends_slot());
  slow.value()->consumed(4);
  timers_.run();
  EXPECT_FALSE(request->paused());
  EXPECT_FALSE(request->lends_slot());
}

TEST_F(SlowReaderTest, SlowReaderDoesNotHoldUpTheBackground) {
  BlobAsker slow;
  const auto request = begin(slow, digest_);
  cache_->fetch_blob(hub(), "library/debian", digest_of(1));
  timers_.run();
  EXPECT_EQ(upstream_->requests().size(), 1u);
  request->send("1234");
  timers_.run();
  ASSERT_EQ(upstream_->requests().size(), 2u);
  const auto background = upstream_->pending().back();
  EXPECT_FALSE(background->paused());
  slow.value()->consumed(4);
  timers_.run();
  EXPECT_TRUE(background->paused());
}

TEST_F(FillsForClientsTest, TransferThatWaitsForTheDiskKeepsItsSlot) {
  rules_.max_queued_bytes = 4;
  make_cache();
  BlobAsker asker;
  const auto request = begin(asker, digest_);
  store_.hold(Step::kWrite);
  request->send("1234");
  EXPECT_TRUE(request->paused());
  EXPECT_FALSE(request->lends_slot());
}

// -- refusals

TEST_F(FillsForClientsTest, MissingBlobIsRemembered) {
  BlobAsker first, second;
  Asker<BlobHead> head;
  open(first, digest_);
  timers_.run();
  transfer()->fail(ErrorCode::kNotFound);
  open(second, digest_);
  head.handle = cache_->head_blob(hub(), "library/debian", digest_, head.done());
  EXPECT_EQ(second.error(), ErrorCode::kNotFound);
  EXPECT_EQ(head.error(), ErrorCode::kNotFound);
  EXPECT_EQ(upstream_->requests().size(), 1u);
  EXPECT_EQ(counters_.unknown_served, 2u);
}

TEST_F(FillsForClientsTest, MissingBlobIsForgottenAfterAWhile) {
  Asker<BlobHead> first, second;
  first.handle = cache_->head_blob(hub(), "library/debian", digest_, first.done());
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  clock_.advance(rules_.unknown_for);
  second.handle = cache_->head_blob(hub(), "library/debian", digest_, second.done());
  EXPECT_FALSE(second.answered());
  EXPECT_EQ(upstream_->pending().size(), 1u);
}

TEST_F(FillsForClientsTest, MissingBlobIsAskedForInAnotherRepository) {
  Asker<BlobHead> first, second;
  first.handle = cache_->head_blob(hub(), "library/debian", digest_, first.done());
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  second.handle = cache_->head_blob(hub(), "library/alpine", digest_, second.done());
  EXPECT_FALSE(second.answered());
}

// -- progress

TEST_F(FillsForClientsTest, TransferThatIsCutAfterEachByteIsGivenUp) {
  BlobAsker asker;
  open(asker, digest_, kAnna);
  timers_.run();
  int cuts = 0;
  for (; !upstream_->pending().empty() && cuts < 100; ++cuts) {
    transfer()->start(static_cast<std::uint64_t>(cuts), 20 << 20);
    transfer()->send("x");
    transfer()->end(Error{ErrorCode::kUnavailable, "cut"});
    timers_.advance(rules_.retry.max_delay);
  }
  EXPECT_EQ(cuts, rules_.retry.max_attempts);
  EXPECT_TRUE(asker.failure());
}

}  // namespace
}  // namespace layby::cache
