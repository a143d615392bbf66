// SPDX-License-Identifier: Apache-2.0
//
// The order in which objects are evicted, and the room that eviction makes: by example, and as a
// property over sizes, limits and shares at the edges of their ranges.

#include "layby/policy/eviction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace layby::policy {
namespace {

constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
constexpr auto kMostHits = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;

class RankTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}
};

TEST_F(RankTest, RankIsAboveTheClock) {
  EXPECT_GT(rank(1000, 1, 300 * kGiB), 1000u);
  EXPECT_GT(rank(1000, 1, kMost), 1000u);
}

TEST_F(RankTest, AnObjectUsedMoreOftenGoesLater) {
  EXPECT_LT(rank(0, 1, kMiB), rank(0, 2, kMiB));
  EXPECT_LT(rank(0, 2, kMiB), rank(0, 3, kMiB));
}

TEST_F(RankTest, TheFirstReturnCountsMost) {
  const std::uint64_t once = rank(0, 1, kMiB);
  const std::uint64_t twice = rank(0, 2, kMiB);
  const std::uint64_t thrice = rank(0, 3, kMiB);
  EXPECT_GT(twice - once, thrice - twice);
}

TEST_F(RankTest, ASmallerObjectGoesLater) {
  EXPECT_LT(rank(0, 1, 100 * kMiB), rank(0, 1, 1 * kMiB));
  EXPECT_LT(rank(0, 1, 1 * kMiB), rank(0, 1, 2048));
}

TEST_F(RankTest, LargeLayersRankAlikeWhateverTheirSize) {
  EXPECT_LT(rank(0, 1, 10 * kMiB), rank(0, 1, 300 * kMiB) * 11 / 10);
}

TEST_F(RankTest, AnUnusedObjectIsOvertaken) {
  const std::uint64_t once_popular = rank(0, kMostHits, 10 * kMiB);
  std::uint64_t clock = 0;
  int evictions = 0;
  while (rank(clock, 1, 10 * kMiB) <= once_popular) {
    clock = clock_after(clock, rank(clock, 1, 10 * kMiB));
    ASSERT_LT(++evictions, 1000);
  }
  EXPECT_GT(evictions, 0);
}

TEST_F(RankTest, ZeroHitsAndZeroBytesCountAsOne) {
  EXPECT_EQ(rank(5, 0, kMiB), rank(5, 1, kMiB));
  EXPECT_EQ(rank(5, 1, 0), rank(5, 1, 1));
}

TEST_F(RankTest, RankSaturatesAtTheEndOfItsRange) {
  EXPECT_EQ(rank(kMost, 1, kMiB), kMost);
  EXPECT_EQ(rank(kMost - 1, kMostHits, 1), kMost);
}

TEST_F(RankTest, NeverFallsWithMoreHitsALaterClockOrFewerBytes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 10'000; ++round) {
    const std::uint64_t clock = random() >> (random() % 64);
    const auto hits = static_cast<std::uint32_t>(random() >> (32 + random() % 32));
    const std::uint64_t size = random() >> (random() % 64);
    const std::uint64_t here = rank(clock, hits, size);
    ASSERT_GE(rank(clock, hits == kMostHits ? hits : hits + 1, size), here);
    ASSERT_GE(rank(clock == kMost ? clock : clock + 1, hits, size), here);
    ASSERT_GE(rank(clock, hits, size / 2), here);
  }
}

TEST_F(RankTest, TheClockFollowsTheVictim) { EXPECT_EQ(clock_after(7, 9), 9u); }

TEST_F(RankTest, TheClockNeverGoesBack) { EXPECT_EQ(clock_after(9, 7), 9u); }

class BytesToEvictTest : public ::testing::Test {
 protected:
  void SetUp() override {
    rules_.max_bytes = {0, 12'800};
    rules_.min_free_bytes = {0, 1000};
    use_ = {12'000, 0, 50'000, 100'000};
  }
  void TearDown() override {}

  SpaceRules rules_;
  SpaceUse use_;
};

TEST_F(BytesToEvictTest, IsZeroWhenThereIsRoom) {
  EXPECT_EQ(bytes_to_evict(rules_, use_, 800), 0u);
}

TEST_F(BytesToEvictTest, IsALittleMoreThanTheMissingBytes) {
  const std::uint64_t gone = bytes_to_evict(rules_, use_, 801);
  EXPECT_GT(gone, 1u);
  EXPECT_LE(gone, 1u + 12'800 / 50);
}

TEST_F(BytesToEvictTest, LeavesRoomForLaterBlobs) {
  use_.cached_bytes -= bytes_to_evict(rules_, use_, 801);
  EXPECT_EQ(bytes_to_evict(rules_, use_, 801 + 50), 0u);
}

TEST_F(BytesToEvictTest, CountsBytesThatFillsHaveYetToWrite) {
  use_.reserved_bytes = 500;
  EXPECT_EQ(bytes_to_evict(rules_, use_, 300), 0u);
  EXPECT_GT(bytes_to_evict(rules_, use_, 301), 0u);
}

TEST_F(BytesToEvictTest, RestoresTheFreeSpaceOfTheDisk) {
  use_.disk_free_bytes = 400;
  EXPECT_GE(bytes_to_evict(rules_, use_, 0), 600u);
}

TEST_F(BytesToEvictTest, IsZeroWhileTheDiskIsUnknown) {
  use_.disk_total_bytes = 0;
  EXPECT_EQ(bytes_to_evict(rules_, use_, 1'000'000), 0u);
}

TEST_F(BytesToEvictTest, IsAtMostTheCachedBytesWhenTheySuffice) {
  EXPECT_EQ(bytes_to_evict(rules_, use_, 12'800), 12'000u);
}

TEST_F(BytesToEvictTest, ExceedsTheCachedBytesWhenABlobCanNeverFit) {
  EXPECT_GT(bytes_to_evict(rules_, use_, 12'801), use_.cached_bytes);
  EXPECT_GT(bytes_to_evict(rules_, use_, kMost), use_.cached_bytes);
}

TEST_F(BytesToEvictTest, ExceedsTheCachedBytesWhenOthersFillTheDisk) {
  use_.cached_bytes = 500;
  use_.disk_free_bytes = 400;
  EXPECT_GT(bytes_to_evict(rules_, use_, 0), use_.cached_bytes);
}

// A value of any magnitude, often at an edge of its range.
std::uint64_t any_bytes(std::mt19937_64& random, std::uint64_t most) {
  switch (random() % 6) {
    case 0:
      return 0;
    case 1:
      return most;
    case 2:
      return most - std::min<std::uint64_t>(most, random() % 3);
    default:
      return most == kMost ? random() >> (random() % 64) : random() % (most + 1);
  }
}

SpaceLimit any_limit(std::mt19937_64& random, std::uint64_t disk_total_bytes) {
  if (random() % 2 == 0) return {static_cast<int>(random() % 101), 0};
  return {0, any_bytes(random, random() % 4 == 0 ? kMost : disk_total_bytes)};
}

TEST_F(BytesToEvictTest, MakesRoomWheneverPossible) {
  std::mt19937_64 random(2);
  int made_room = 0;
  int impossible = 0;
  for (int round = 0; round < 200'000; ++round) {
    // Cached and free bytes are parts of the disk, so their sum never exceeds the disk.
    SpaceUse use;
    use.disk_total_bytes = any_bytes(random, random() % 2 == 0 ? kMost - 1 : 1'000'000);
    use.cached_bytes = any_bytes(random, use.disk_total_bytes);
    use.disk_free_bytes = any_bytes(random, use.disk_total_bytes - use.cached_bytes);
    use.reserved_bytes = any_bytes(random, random() % 8 == 0 ? kMost : use.disk_total_bytes);
    const SpaceRules rules{any_limit(random, use.disk_total_bytes),
                           any_limit(random, use.disk_total_bytes)};
    const std::uint64_t new_bytes =
        any_bytes(random, random() % 8 == 0 ? kMost : use.disk_total_bytes);

    const std::uint64_t going = bytes_to_evict(rules, use, new_bytes);
    ASSERT_EQ(going == 0, has_room(rules, use, new_bytes)) << round;

    SpaceUse after = use;
    const std::uint64_t gone = std::min(going, use.cached_bytes);
    after.cached_bytes -= gone;
    after.disk_free_bytes += gone;
    ASSERT_EQ(going <= use.cached_bytes, has_room(rules, after, new_bytes)) << round;
    made_room += going > 0 && going <= use.cached_bytes;
    impossible += going > use.cached_bytes;
  }
  EXPECT_GT(made_room, 10'000);
  EXPECT_GT(impossible, 10'000);
}

}  // namespace
}  // namespace layby::policy
