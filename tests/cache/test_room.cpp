// SPDX-License-Identifier: Apache-2.0
//
// Room: which requests are admitted, how many bytes are evicted for them, and how Room reacts
// when other programs fill the disk. Here the cache may take 1,000 bytes and must leave 100 bytes
// free on the disk.

#include "cache/room.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/fake_timers.h"

namespace layby::cache {
namespace {

using std::chrono::seconds;

class RoomTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_.reported_usage().disk_total_bytes = 100'000;
    store_.reported_usage().disk_free_bytes = 50'000;
  }

  // Stores a blob that may be evicted.
  void add_blob(std::size_t size, char fill) {
    store_.add_evictable(store_.add_blob(std::string(size, fill)));
  }
  // Asks for room for `bytes`. The answer is empty while the request waits.
  std::shared_ptr<std::optional<bool>> ask(std::uint64_t bytes) {
    auto answer = std::make_shared<std::optional<bool>>();
    handles_.push_back(room_.make(bytes, [this, answer, bytes](bool room) {
      *answer = room;
      if (room) reserved_ += bytes;
    }));
    return answer;
  }

  const policy::SpaceRules rules_{{0, 1'000}, {0, 100}};
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  testing::FakeStore store_{timers_};
  std::uint64_t reserved_ = 0;
  int overdrawn_ = 0;
  events::Events events_;
  Room room_{
      {rules_, store_, timers_, [this] { return reserved_; }, [this] { ++overdrawn_; }, events_}};
  std::vector<Handle> handles_;
};

TEST_F(RoomTest, AnEvictionThatFailsAgainAndAgainIsToldOnce) {
  int told = 0;
  const Handle listener = events_.listen([&told](const events::Event& event) {
    if (std::holds_alternative<events::EvictionFailed>(event)) ++told;
  });
  add_blob(400, 'a');
  store_.reported_usage().disk_free_bytes = 0;
  store_.fail(testing::FakeStore::Step::kEvict, {ErrorCode::kIo, "the index can't be written"}, 3);

  timers_.advance(seconds(30));

  EXPECT_GE(store_.evictions().size(), 3u);
  EXPECT_EQ(told, 1);
}

TEST_F(RoomTest, ARequestBesideUsedContentDisplacesNothingOfIt) {
  add_blob(400, 'a');
  add_blob(500, 'b');
  const oci::Digest used = oci::Digest::of(std::string(400, 'a'));
  store_.set_used(used, clock_.wall_now());
  std::optional<bool> answer;
  const Spare spare{{}, clock_.wall_now() - seconds(1)};
  const Handle handle = room_.make_beside(spare, 600, [&](bool room) { answer = room; });
  timers_.run();
  EXPECT_EQ(answer, true);
  EXPECT_TRUE(store_.has_blob(used));
  EXPECT_EQ(store_.usage().blobs, 1u);
}

TEST_F(RoomTest, NoRoomBesideUsedContentIsNoFullCache) {
  add_blob(900, 'a');
  store_.set_used(oci::Digest::of(std::string(900, 'a')), clock_.wall_now());
  std::optional<bool> answer;
  const Spare spare{{}, clock_.wall_now() - seconds(1)};
  const Handle handle = room_.make_beside(spare, 600, [&](bool room) { answer = room; });
  timers_.run();
  EXPECT_EQ(answer, false);
  EXPECT_FALSE(room_.full());
  const auto client = ask(600);
  timers_.run();
  EXPECT_EQ(*client, true) << "a client's blob may displace the content";
}

TEST_F(RoomTest, RequestThatFitsIsAdmittedAtOnce) {
  add_blob(400, 'a');
  EXPECT_EQ(*ask(600), true);
  EXPECT_TRUE(store_.evictions().empty());
}

TEST_F(RoomTest, ReservedBytesAreCounted) {
  EXPECT_EQ(*ask(600), true);
  const auto second = ask(600);
  timers_.run();
  EXPECT_EQ(*second, false);
  EXPECT_TRUE(room_.full());
}

TEST_F(RoomTest, LeastValuableBlobIsEvictedForARequest) {
  add_blob(400, 'a');
  add_blob(400, 'b');
  const auto answer = ask(500);
  EXPECT_FALSE(*answer);
  timers_.run();
  EXPECT_EQ(*answer, true);
  EXPECT_EQ(store_.usage().blob_bytes, 400u);
  EXPECT_FALSE(room_.full());
}

TEST_F(RoomTest, NothingIsEvictedForARequestThatCanNeverFit) {
  add_blob(400, 'a');
  EXPECT_EQ(*ask(1'001), false);
  EXPECT_TRUE(store_.evictions().empty());
  EXPECT_EQ(store_.usage().blob_bytes, 400u);
}

TEST_F(RoomTest, RequestIsRefusedAfterOneTryWhenNothingIsEvictable) {
  store_.add_blob(std::string(900, 'p'));  // Not evictable, like a pinned blob.
  const auto answer = ask(500);
  timers_.run();
  EXPECT_EQ(*answer, false);
  EXPECT_EQ(store_.evictions().size(), 1u);
}

TEST_F(RoomTest, OneEvictionServesAllWaitingRequests) {
  add_blob(900, 'a');
  const auto first = ask(200);
  const auto second = ask(300);
  timers_.run();
  EXPECT_EQ(*first, true);
  EXPECT_EQ(*second, true);
  EXPECT_EQ(store_.evictions().size(), 1u);
}

TEST_F(RoomTest, RefusalOfOneRequestDoesNotRefuseTheNext) {
  store_.add_blob(std::string(700, 'p'));
  const auto large = ask(400);
  const auto small = ask(300);
  timers_.run();
  EXPECT_EQ(*large, false);
  EXPECT_EQ(*small, true);
  EXPECT_FALSE(room_.full());
}

TEST_F(RoomTest, DroppedRequestIsNotAnswered) {
  add_blob(900, 'a');
  const auto gone = ask(200);
  handles_.clear();
  timers_.run();
  EXPECT_FALSE(*gone);
}

TEST_F(RoomTest, NothingIsEvictedForADroppedRequest) {
  for (const char fill : {'a', 'b', 'c'}) add_blob(300, fill);
  ask(400);
  ask(500);
  handles_.pop_back();
  timers_.run();
  EXPECT_EQ(store_.evictions().size(), 1u);
}

TEST_F(RoomTest, RequestInsideAnAnswerWaitsForItsTurn) {
  add_blob(900, 'a');
  std::vector<int> order;
  std::vector<Handle> inner;
  const auto outer = room_.make(100, [&](bool) {
    inner.push_back(room_.make(500, [&](bool room) { order.push_back(room ? 3 : -3); }));
    order.push_back(1);
  });
  EXPECT_EQ(order, std::vector<int>{1});
  timers_.run();
  EXPECT_EQ(order, (std::vector<int>{1, 3}));
}

TEST_F(RoomTest, EvictionMayOutliveTheRoom) {
  add_blob(900, 'a');
  bool answered = false;
  {
    Room room{{rules_, store_, timers_, [] { return std::uint64_t{0}; }, [] {}, events_}};
    const Handle waiting = room.make(500, [&](bool) { answered = true; });
  }
  timers_.run();
  EXPECT_FALSE(answered);
}

TEST_F(RoomTest, PartialFilesAndTheIndexAreCounted) {
  store_.reported_usage().partial_bytes = 500;
  store_.reported_usage().index_bytes = 300;
  const auto answer = ask(201);
  timers_.run();
  EXPECT_EQ(*answer, false);
  EXPECT_EQ(*ask(200), true);
}

TEST_F(RoomTest, ForeignFilesOnTheDiskCauseEviction) {
  add_blob(300, 'a');
  add_blob(300, 'b');
  store_.reported_usage().disk_free_bytes = 50;
  timers_.advance(seconds(5));
  EXPECT_EQ(store_.usage().blob_bytes, 300u);
  EXPECT_GE(store_.usage().disk_free_bytes, 100u);
}

TEST_F(RoomTest, NothingIsEvictedWhenThatCannotFreeEnough) {
  add_blob(300, 'a');
  reserved_ = 2'000;
  store_.reported_usage().disk_free_bytes = 50;
  timers_.advance(seconds(5));
  EXPECT_TRUE(store_.evictions().empty());
  EXPECT_TRUE(room_.full());
  EXPECT_EQ(overdrawn_, 1) << "fills under way must stop storing";
}

TEST_F(RoomTest, FullEndsWhenThereIsRoomAgain) {
  store_.reported_usage().disk_free_bytes = 50;
  timers_.advance(seconds(5));
  EXPECT_TRUE(room_.full());
  store_.reported_usage().disk_free_bytes = 50'000;
  timers_.advance(seconds(5));
  EXPECT_FALSE(room_.full());
}

}  // namespace
}  // namespace layby::cache
