// SPDX-License-Identifier: Apache-2.0
//
// The token bucket: the cost of a piece, the savings, and the rate that the bucket enforces.

#include "layby/policy/rate.h"

#include <gtest/gtest.h>

#include <utility>

namespace layby::policy {
namespace {

using namespace std::chrono_literals;

class RateBucketTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  // Sends pieces whenever the bucket allows, from the time `from` until `length` has passed. Asks
  // the bucket once in each `step`. Returns the number of bytes that were sent.
  static std::uint64_t gets_through(RateBucket& bucket, SteadyTime from,
                                    std::chrono::milliseconds length,
                                    std::chrono::milliseconds step, std::uint64_t piece) {
    std::uint64_t bytes = 0;
    for (SteadyTime now = from; now < from + length; now += step) {
      while (bucket.wait(now) == 0ns) {
        bucket.spend(piece, now);
        bytes += piece;
      }
    }
    return bytes;
  }

  const SteadyTime start_{1h};
};

TEST_F(RateBucketTest, TheFirstPieceGoesAtOnce) {
  EXPECT_EQ(RateBucket(1000, start_).wait(start_), 0ns);
}

TEST_F(RateBucketTest, APieceCostsItsTime) {
  RateBucket bucket(1000, start_);
  bucket.spend(500, start_);
  EXPECT_EQ(bucket.wait(start_), 500ms);
  EXPECT_EQ(bucket.wait(start_ + 499ms), 1ms);
  EXPECT_EQ(bucket.wait(start_ + 500ms), 0ns);
}

TEST_F(RateBucketTest, DebtsAddUp) {
  RateBucket bucket(1000, start_);
  bucket.spend(500, start_);
  bucket.spend(500, start_ + 100ms);
  EXPECT_EQ(bucket.wait(start_ + 100ms), 900ms);
}

TEST_F(RateBucketTest, SavesUpNoMoreThanKSaved) {
  RateBucket bucket(1000, start_);
  const SteadyTime later = start_ + 24h;
  bucket.spend(100, later);  // The bucket saves up 100 bytes in kSaved.
  EXPECT_EQ(bucket.wait(later), 0ns);
  bucket.spend(1, later);
  EXPECT_EQ(bucket.wait(later), 1ms);
}

TEST_F(RateBucketTest, SavesUpNothingAtFirst) {
  RateBucket bucket(1000, start_);
  bucket.spend(1, start_);
  EXPECT_EQ(bucket.wait(start_), 1ms);
}

TEST_F(RateBucketTest, EveryPieceCostsSomething) {
  RateBucket bucket(std::uint64_t{1} << 40, start_);
  bucket.spend(1, start_);
  EXPECT_GT(bucket.wait(start_), 0ns);
}

TEST_F(RateBucketTest, ZeroBytesCostNothing) {
  RateBucket bucket(1, start_);
  bucket.spend(0, start_);
  EXPECT_EQ(bucket.wait(start_), 0ns);
}

TEST_F(RateBucketTest, KeepsToTheRateHoweverOftenItIsAsked) {
  constexpr std::uint64_t kRate = 2'000'000;
  constexpr std::uint64_t kPiece = 16 << 10;
  for (const auto step : {1ms, 7ms, 90ms}) {
    RateBucket bucket(kRate, start_);
    const std::uint64_t bytes = gets_through(bucket, start_, 10s, step, kPiece);
    EXPECT_LE(bytes, kRate * 10 + kRate / 10 + kPiece) << step.count();
    EXPECT_GE(bytes, kRate * 10 - kRate / 10 - kPiece) << step.count();
  }
}

TEST_F(RateBucketTest, KeepsToASmallRateWithLargePieces) {
  constexpr std::uint64_t kRate = 64 << 10;
  constexpr std::uint64_t kPiece = 256 << 10;
  RateBucket bucket(kRate, start_);
  const std::uint64_t bytes = gets_through(bucket, start_, 100s, 1ms, kPiece);
  EXPECT_LE(bytes, kRate * 100 + kPiece);
  EXPECT_GE(bytes, kRate * 100 - kPiece);
}

TEST_F(RateBucketTest, ALongPauseSavesUpNoMoreThanKSaved) {
  constexpr std::uint64_t kRate = 1'000'000;
  RateBucket bucket(kRate, start_);
  gets_through(bucket, start_, 1s, 1ms, 1000);
  const std::uint64_t bytes = gets_through(bucket, start_ + 1h, 1s, 1ms, 1000);
  EXPECT_LE(bytes, kRate + kRate / 10 + 1000);
}

TEST_F(RateBucketTest, ADebtIsPaidOffAtTheNewRate) {
  for (const auto& [rate, wait] : {std::pair(500u, 1000ms), std::pair(2000u, 250ms)}) {
    RateBucket bucket(1000, start_);
    bucket.spend(500, start_);
    bucket.set_rate(rate, start_);
    EXPECT_EQ(bucket.wait(start_), wait) << rate;
    EXPECT_EQ(bucket.wait(start_ + wait), 0ns) << rate;
  }
}

TEST_F(RateBucketTest, APieceCostsItsTimeAtTheNewRate) {
  RateBucket bucket(1000, start_);
  bucket.set_rate(100, start_ + 1h);
  bucket.spend(100, start_ + 1h);
  EXPECT_EQ(bucket.wait(start_ + 1h), 1s) << "nothing was saved up";
}

TEST_F(RateBucketTest, ChangingTheRateOftenGivesNothingAway) {
  constexpr std::uint64_t kRate = 1'000'000;
  RateBucket bucket(kRate, start_);
  std::uint64_t bytes = 0;
  for (int i = 0; i < 1000; ++i) {
    const SteadyTime now = start_ + i * 1ms;
    bucket.set_rate(i % 2 == 0 ? kRate / 2 : kRate, now);
    bytes += gets_through(bucket, now, 1ms, 1ms, 1000);
  }
  EXPECT_LE(bytes, kRate + 1000);
}

}  // namespace
}  // namespace layby::policy
