// SPDX-License-Identifier: Apache-2.0
//
// How blobs share the slots of an upstream. The request for a blob is sent when the blob has a
// slot, and counts in the minute in which it is sent. The transfer pauses while its slot is taken
// or lent.

#include <deque>

#include "cache/guard_test.h"

namespace layby::cache {
namespace {

class BlobSlotsTest : public GuardTest {
 protected:
  void SetUp() override { allow(2); }
  void allow(std::size_t slots) {
    rules_.max_blob_transfers = slots;
    make_guard();
  }
  BlobTaker& open_for(const std::vector<IpAddress>& clients) {
    BlobTaker& taker = takers_.emplace_back();
    taker.waiting = clients;
    open(taker);
    return taker;
  }
  BlobTaker& open_in_background() {
    BlobTaker& taker = takers_.emplace_back();
    taker.background = true;
    open(taker);
    timers_.run();
    return taker;
  }
  // The request that was sent as number `index`, counted from 0.
  testing::UpstreamRequest& sent(std::size_t index) { return *inner_->requests().at(index); }
  std::size_t count_sent() {
    timers_.run();
    return inner_->requests().size();
  }
  void finish(std::size_t index) {
    sent(index).start(0, 3);
    sent(index).send("abc");
    sent(index).end({});
  }

  static inline const IpAddress kAnna = *parse_ip_address("10.0.0.1");
  static inline const IpAddress kBen = *parse_ip_address("10.0.0.2");
  std::deque<BlobTaker> takers_;
};

TEST_F(BlobSlotsTest, BlobWaitsWhenAllSlotsAreTaken) {
  for (int i = 0; i < 4; ++i) open_for({kAnna});
  EXPECT_EQ(count_sent(), 2u);
  takers_[2].transfer.reset();  // Leaves the line.
  finish(0);
  EXPECT_TRUE(takers_[0].ended->ok());
  EXPECT_EQ(count_sent(), 3u);
  finish(2);
  EXPECT_TRUE(takers_[3].ended->ok());
}

TEST_F(BlobSlotsTest, SmallRequestWaitsForNoSlot) {
  for (int i = 0; i < 3; ++i) open_for({kAnna});
  Asker<TagPage> asker;
  list(asker);
  EXPECT_EQ(count_sent(), 3u);
  EXPECT_EQ(inner_->requests().back()->kind, testing::UpstreamKind::kTags);
}

TEST_F(BlobSlotsTest, CancelledBlobFreesItsSlot) {
  for (int i = 0; i < 3; ++i) open_for({kAnna});
  ASSERT_EQ(count_sent(), 2u);
  takers_[0].transfer.reset();
  EXPECT_EQ(count_sent(), 3u);
}

TEST_F(BlobSlotsTest, FailedBlobFreesItsSlot) {
  for (int i = 0; i < 3; ++i) open_for({kAnna});
  ASSERT_EQ(count_sent(), 2u);
  sent(0).fail(Error{ErrorCode::kNotFound, "fake upstream"});
  EXPECT_EQ(count_sent(), 3u);
}

TEST_F(BlobSlotsTest, BackgroundThatPausesAtOnceIsNotSent) {
  BlobTaker& taker = takers_.emplace_back();
  taker.background = true;
  open(taker);
  taker.transfer->pause();
  EXPECT_EQ(count_sent(), 0u);
  taker.transfer->resume();
  EXPECT_EQ(count_sent(), 1u);
}

TEST_F(BlobSlotsTest, BackgroundLendsItsSlotWhilePaused) {
  allow(1);
  BlobTaker& background = open_in_background();
  sent(0).start(0, 3);
  background.transfer->pause();
  open_for({kAnna});
  ASSERT_EQ(count_sent(), 2u);
  background.transfer->resume();
  timers_.run();
  EXPECT_TRUE(sent(0).paused()) << "the slot is in use";
  finish(1);
  timers_.run();
  EXPECT_FALSE(sent(0).paused());
}

TEST_F(BlobSlotsTest, BlobKeepsItsSlotWhilePausedForAClient) {
  allow(1);
  open_for({kAnna});
  sent(0).start(0, 3);
  takers_[0].transfer->pause();
  open_for({kAnna});
  EXPECT_EQ(count_sent(), 1u);
}

TEST_F(BlobSlotsTest, ClientWithoutASlotTakesOneOfAClientWithTwo) {
  for (int i = 0; i < 3; ++i) open_for({kAnna});
  ASSERT_EQ(count_sent(), 2u);
  open_for({kBen});
  ASSERT_EQ(count_sent(), 3u);
  EXPECT_FALSE(sent(0).paused());
  EXPECT_TRUE(sent(1).paused());
  finish(2);
  EXPECT_TRUE(takers_[3].ended->ok()) << "Ben's blob came before Anna's third";
  EXPECT_EQ(count_sent(), 4u) << "the taken blob waits at the end of the line";
  EXPECT_TRUE(sent(1).paused());
  finish(0);
  timers_.run();
  EXPECT_FALSE(sent(1).paused());
}

TEST_F(BlobSlotsTest, BlobsOfOneClientAreSentInTheirOrder) {
  allow(1);
  for (int i = 0; i < 3; ++i) open_for({kAnna});
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(count_sent(), i + 1);
    finish(i);
    EXPECT_TRUE(takers_[i].ended) << i;
  }
}

TEST_F(BlobSlotsTest, WaitForASlotDoesNotCountInTheMinute) {
  rules_.requests_per_minute = 3;  // The guard sends 2 requests in any minute.
  allow(1);
  for (int i = 0; i < 3; ++i) open_for({});
  ASSERT_EQ(count_sent(), 1u);
  timers_.advance(seconds(61));
  Asker<TagPage> asker;
  list(asker);
  EXPECT_EQ(count_sent(), 2u);
  finish(0);
  EXPECT_EQ(count_sent(), 3u);
  finish(2);
  EXPECT_EQ(count_sent(), 3u) << "the minute has two requests";
}

TEST_F(BlobSlotsTest, SlotTakenDuringTheWaitForATurnEndsTheWait) {
  rules_.requests_per_minute = 9;  // 8 requests in any minute, at most 6 of one client.
  allow(2);
  for (std::size_t i = 0; i < 6; ++i) {
    open_for({kAnna});
    finish(i);
  }
  timers_.advance(seconds(40));
  open_for({kAnna});
  open_for({kAnna});
  ASSERT_EQ(count_sent(), 6u) << "Anna's share is used up";
  open_for({kBen});
  ASSERT_EQ(count_sent(), 7u) << "a slot of Anna's is taken for Ben";
  timers_.advance(seconds(20));
  EXPECT_EQ(count_sent(), 8u) << "Anna's blob without a slot takes no turn";
}

}  // namespace
}  // namespace layby::cache
