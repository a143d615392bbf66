// SPDX-License-Identifier: Apache-2.0
//
// Tests the room of a prefetch run. A run evicts no content of the list and no content that clients
// used. If the room is too small, the run says how much room the list and the clients need.

#include <algorithm>
#include <string>
#include <vector>

#include "cache/prefetch_test.h"

namespace layby::cache {
namespace {

using std::chrono::hours;

class PrefetchRoomTest : public PrefetchTest {
 protected:
  // Returns `size` bytes for a layer. add_image() makes the config of an image a little larger than
  // all its layers together.
  static std::string bytes(std::size_t size, char fill) { return std::string(size, fill); }

  // Limits the cache to `bytes`. Blobs that are already stored count too.
  void make_room_for(std::uint64_t bytes) {
    rules_.space = {{0, bytes}, {0, 0}};
    CacheTest::SetUp();
    prefetcher().on_ended([this] { ++times_ended_; });
  }
  // Adds a blob that may be evicted. A client pulled the blob `ago` before this moment.
  oci::Digest add_used(const std::string& content, hours ago) {
    const oci::Digest digest = store_.add_blob(content);
    store_.set_used(digest, clock_.wall_now() - ago);
    store_.add_evictable(digest);
    return digest;
  }
};

TEST_F(PrefetchRoomTest, AnImageThatWouldDisplaceWhatClientsUseIsNotFetchedAgainAndAgain) {
  make_room_for(24'000);
  set_tag("a", add_image({bytes(8'000, 'x'), bytes(2'000, 'y')}));
  store_.add_blob(bytes(8'000, 'x'));
  add_used(bytes(6'000, 'z'), hours(1));
  set_list({image({"a"})});
  for (int i = 0; i < 3; ++i) {
    run();
    EXPECT_EQ(state("a"), PrefetchState::kFailed);
    store_.set_used(oci::Digest::of(bytes(6'000, 'z')), clock_.wall_now() + hours(1));
  }
  EXPECT_EQ(upstream_->count(UpstreamKind::kBlobGet), 0u);
  EXPECT_TRUE(store_.evictions().empty());
  EXPECT_NE(seen("a").error.find("with this image it needs 20.0 kB"), std::string::npos)
      << seen("a").error;
  EXPECT_NE(seen("a").error.find("clients use 6.0 kB of other images"), std::string::npos)
      << seen("a").error;
  EXPECT_NE(seen("a").error.find("there is room for 24.0 kB"), std::string::npos)
      << seen("a").error;
}

TEST_F(PrefetchRoomTest, WhatClientsUsedBeforeTheLastRunMakesWay) {
  make_room_for(24'000);
  const std::string layer = bytes(8'000, 'x');
  set_tag("a", add_image({layer}));
  const auto used = add_used(bytes(10'000, 'z'), hours(23));
  set_list({image({"a"})});
  run();
  EXPECT_EQ(state("a"), PrefetchState::kFailed) << "used within a day before the first run";
  run();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
  EXPECT_FALSE(store_.has_blob(used));
  EXPECT_TRUE(has_layer(layer));
}

TEST_F(PrefetchRoomTest, ARunsEvictionsSpareTheListAndWhatClientsUsed) {
  make_room_for(20'000);
  set_tag("a", add_image({bytes(1'000, 'x')}));
  set_tag("b", add_image({bytes(1'001, 'y')}));
  set_list({image({"a", "b"})});
  run();
  ASSERT_EQ(state("b"), PrefetchState::kDone);
  const WallTime ended = clock_.wall_now();
  store_.add_evictable(oci::Digest::of(bytes(1'000, 'x')));
  clock_.advance(hours(1));
  const auto old = add_used(bytes(12'000, 'o'), hours(2));
  const auto used = add_used(bytes(200, 'u'), hours(0));
  const auto index = add_tagged("b", bytes(3'000, 'n'));
  run();
  EXPECT_EQ(state("b"), PrefetchState::kDone);
  ASSERT_FALSE(store_.spares().empty());
  for (const Spare& spare : store_.spares()) {
    EXPECT_EQ(spare.used_since, ended);
    EXPECT_NE(std::find(spare.images.begin(), spare.images.end(), index), spare.images.end());
  }
  EXPECT_FALSE(store_.has_blob(old));
  EXPECT_TRUE(store_.has_blob(used));
  EXPECT_TRUE(has_layer(bytes(1'000, 'x'))) << "image a is on the list";
}

TEST_F(PrefetchRoomTest, ABlobThatClientsUseOfAListedImageCountsOnce) {
  make_room_for(24'000);
  const std::string config = "config of " + bytes(10'000, 'x') + " y";
  set_tag("a", add_image({bytes(10'000, 'x'), "y"}));
  add_used(bytes(10'000, 'x'), hours(1));
  set_list({image({"a"})});
  run();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
  EXPECT_EQ(report().list_bytes, 10'001 + config.size());
}

TEST_F(PrefetchRoomTest, AWholeImageNeedsNoRoom) {
  make_room_for(24'000);
  set_tag("a", add_image({"layer"}));
  set_list({image({"a"})});
  run();
  add_used(bytes(30'000, 'z'), hours(0));
  run();
  EXPECT_EQ(state("a"), PrefetchState::kCurrent);
}

TEST_F(PrefetchRoomTest, AFailedLookAtTheUsedContentStopsNoRun) {
  set_tag("a", add_image({"layer"}));
  set_list({image({"a"})});
  store_.fail(testing::FakeStore::Step::kFindUsed, {ErrorCode::kIo, "disk"});
  run();
  EXPECT_EQ(state("a"), PrefetchState::kDone);
}

TEST_F(PrefetchRoomTest, APatternThatMatchesNoTagIsNamed) {
  add_tagged("3.13", "layer");
  set_list({image({"3.13", "3.9*", "3.1*"})});
  run();
  ASSERT_EQ(report().troubles.size(), 1u);
  EXPECT_EQ(report().troubles[0],
            "library/python: no tag matches 3.9*; correct the pattern in the prefetch list");
  EXPECT_EQ(state("3.13"), PrefetchState::kDone);
}

TEST_F(PrefetchRoomTest, AClientsPullMayDisplaceTheListAgainAfterARun) {
  make_room_for(24'000);
  set_tag("a", add_image({bytes(10'000, 'x')}));
  set_list({image({"a"})});
  run();
  store_.add_evictable(oci::Digest::of(bytes(10'000, 'x')));
  const oci::Digest wanted = add_blob(bytes(13'000, 'c'));
  Asker<std::unique_ptr<BlobReader>> asker;
  asker.handle = cache_->open_blob(hub(), "library/python", wanted, asker.done());
  serve();
  EXPECT_TRUE(store_.has_blob(wanted));
  EXPECT_TRUE(store_.spares().back().images.empty());
}

}  // namespace
}  // namespace layby::cache
