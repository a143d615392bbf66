// SPDX-License-Identifier: Apache-2.0
//
// Whether a fill's bytes go to the disk: when the fill asks Room, and how the fill goes on after
// an order to stop keeping its blob. The test owns the fill and the Room. The cache may take 1,000
// bytes; the blob has ten bytes.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cache/fill.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/fake_timers.h"
#include "support/fake_upstream.h"

namespace layby::cache {
namespace {

using Step = testing::FakeStore::Step;

class FillKeepingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    rules_.space = {{0, 1'000}, {0, 0}};
    auto upstream = std::make_unique<testing::FakeUpstream>();
    upstream_ = upstream.get();
    origin_.upstream = std::move(upstream);
    fill_ = std::make_unique<Fill>(context_, origin_, "library/debian", oci::Digest::of(blob_),
                                   [this](const Fill&) { over_ = true; });
    kept_ = fill_->wait_stored([this](const Status& status) { stored_ = status.ok(); });
    fill_->start();
    timers_.run();
  }
  void TearDown() override { fill_.reset(); }

  testing::FakeUpstream::RequestPtr transfer() const { return upstream_->only_pending(); }
  void send(std::string_view bytes) {
    transfer()->send(bytes);
    timers_.run();
  }
  // Breaks off the transfer, and lets the fill ask again after its backoff.
  void cut() {
    transfer()->fail(ErrorCode::kUnavailable);
    timers_.advance(rules_.retry.max_delay);
  }
  // Fills the cache with an evictable blob, so that Room has to evict.
  void occupy() { store_.add_evictable(store_.add_blob(std::string(1'000, 'a'))); }

  const std::string blob_ = "0123456789";
  Rules rules_;
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  testing::FakeStore store_{timers_};
  Counters counters_;
  events::Events events_;
  Room room_{{rules_.space, store_, timers_, [this] { return fill_->reserved_bytes(); },
              [this] { fill_->stop_keeping(); }, events_}};
  Background background_{timers_, clock_, [this] { fill_->update_flow(); }};
  GrantChecks grant_checks_{rules_, store_, timers_, counters_};
  UnknownContent unknown_{rules_.unknown_for, clock_};
  std::map<const Origin*, policy::Hedge> hedges_;
  LinkUse link_;
  const Fill::Context context_{rules_,      store_,        timers_,  clock_,  counters_, room_,
                               background_, grant_checks_, unknown_, events_, hedges_,   link_};
  Origin origin_{"docker.io", {"*"}, nullptr};
  testing::FakeUpstream* upstream_ = nullptr;  // origin_ owns it.
  std::unique_ptr<Fill> fill_;
  Handle kept_;
  bool over_ = false;
  std::optional<bool> stored_;
};

TEST_F(FillKeepingTest, AdmittedFillReservesItsMissingBytes) {
  EXPECT_EQ(fill_->reserved_bytes(), 0u);
  transfer()->start(0, 10);
  EXPECT_EQ(fill_->reserved_bytes(), 10u);
  send("0123");
  EXPECT_EQ(fill_->reserved_bytes(), 6u);
}

TEST_F(FillKeepingTest, TransferWaitsWhileRoomIsMade) {
  occupy();
  transfer()->start(0, 10);
  EXPECT_TRUE(transfer()->paused());
  timers_.run();
  EXPECT_FALSE(transfer()->paused());
  EXPECT_EQ(fill_->reserved_bytes(), 10u);
}

TEST_F(FillKeepingTest, RoomIsAskedOnceForAllTransfers) {
  occupy();
  transfer()->start(0, 10);
  timers_.run();
  cut();
  transfer()->start(0, 10);
  EXPECT_EQ(store_.evictions().size(), 1u);
  EXPECT_EQ(fill_->reserved_bytes(), 10u);
}

TEST_F(FillKeepingTest, FillThatStopsIsNotAdmittedByAnAnswerUnderWay) {
  occupy();
  transfer()->start(0, 10);
  fill_->stop_keeping();
  timers_.run();
  EXPECT_EQ(fill_->reserved_bytes(), 0u);
}

TEST_F(FillKeepingTest, FillThatStopsNoLongerWaitsForRoom) {
  occupy();
  transfer()->start(0, 10);
  fill_->stop_keeping();
  EXPECT_FALSE(transfer()->paused());
}

TEST_F(FillKeepingTest, FillThatStopsIsNotAdmittedByItsNextTransfer) {
  transfer()->start(0, 10);
  send("0123");
  fill_->stop_keeping();
  cut();
  transfer()->start(4, 10);
  EXPECT_EQ(fill_->reserved_bytes(), 0u);
}

TEST_F(FillKeepingTest, NothingIsEvictedForAFillThatStops) {
  fill_->stop_keeping();
  occupy();
  transfer()->start(0, 10);
  EXPECT_TRUE(store_.evictions().empty());
}

TEST_F(FillKeepingTest, FillWithoutRoomIsNotAskedForAgain) {
  store_.add_blob(std::string(1'000, 'p'));  // Not evictable, like a pinned blob.
  transfer()->start(0, 10);
  timers_.run();
  ASSERT_EQ(store_.evictions().size(), 1u);
  cut();
  transfer()->start(0, 10);
  EXPECT_EQ(store_.evictions().size(), 1u);
}

TEST_F(FillKeepingTest, FillThatStopsIsUnkeptFromItsNextWriteOn) {
  transfer()->start(0, 10);
  send("0123");
  fill_->stop_keeping();
  timers_.run();
  EXPECT_TRUE(fill_->status().kept);
  transfer()->send("4567");
  timers_.turn();
  EXPECT_FALSE(fill_->status().kept);
}

TEST_F(FillKeepingTest, BlobThatNeedsNoFurtherWriteIsStored) {
  store_.hold(Step::kVerify);
  transfer()->start(0, 10);
  send(blob_);
  transfer()->end({});
  fill_->stop_keeping();
  store_.release(Step::kVerify);
  timers_.run();
  EXPECT_TRUE(over_);
  EXPECT_EQ(stored_, true);
}

TEST_F(FillKeepingTest, FillMayBeToldToStopWhileItIsPublished) {
  store_.hold(Step::kPublish);
  transfer()->start(0, 10);
  send(blob_);
  transfer()->end({});
  timers_.run();
  fill_->stop_keeping();
  store_.release(Step::kPublish);
  timers_.run();
  EXPECT_EQ(stored_, true);
}

TEST_F(FillKeepingTest, FillThatIsOverMayBeToldToStop) {
  fill_->cancel();
  fill_->stop_keeping();
  EXPECT_TRUE(over_);
  EXPECT_EQ(stored_, false);
}

}  // namespace
}  // namespace layby::cache
