// SPDX-License-Identifier: Apache-2.0
//
// Which failures are retried, and after which wait.

#include "layby/policy/retry.h"

#include <gtest/gtest.h>

namespace layby::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RetryTest : public ::testing::Test {
 protected:
  void SetUp() override { rules_ = {10, milliseconds(200), milliseconds(5000)}; }
  void TearDown() override {}

  std::optional<milliseconds> after(int attempts, ErrorCode code, double jitter = 0) const {
    return next_retry(rules_, attempts, Error{code, "", retry_after_}, jitter);
  }

  RetryRules rules_;
  std::optional<seconds> retry_after_;
};

TEST_F(RetryTest, FirstDelayIsHalvedWithoutJitter) {
  EXPECT_EQ(after(1, ErrorCode::kUnavailable), milliseconds(100));
}

TEST_F(RetryTest, JitterSpreadsOverTheUpperHalf) {
  EXPECT_EQ(after(1, ErrorCode::kUnavailable, 0.5), milliseconds(150));
}

TEST_F(RetryTest, DelayDoubles) { EXPECT_EQ(after(3, ErrorCode::kTimedOut), milliseconds(400)); }

TEST_F(RetryTest, DelayStaysBelowTheLongest) {
  EXPECT_LT(after(9, ErrorCode::kUnavailable, 0.999), milliseconds(5000));
}

TEST_F(RetryTest, DelayReachesTheLongest) {
  EXPECT_EQ(after(9, ErrorCode::kUnavailable), milliseconds(2500));
}

TEST_F(RetryTest, NoRetryFollowsTheLastAttempt) {
  EXPECT_EQ(after(10, ErrorCode::kUnavailable), std::nullopt);
}

TEST_F(RetryTest, CorruptIsRetried) { EXPECT_TRUE(after(1, ErrorCode::kCorrupt)); }

TEST_F(RetryTest, NotFoundIsFinal) { EXPECT_EQ(after(1, ErrorCode::kNotFound), std::nullopt); }

TEST_F(RetryTest, DeniedIsFinal) { EXPECT_EQ(after(1, ErrorCode::kDenied), std::nullopt); }

TEST_F(RetryTest, FullDiskIsFinal) { EXPECT_EQ(after(1, ErrorCode::kNoSpace), std::nullopt); }

TEST_F(RetryTest, CancelledIsFinal) { EXPECT_EQ(after(1, ErrorCode::kCancelled), std::nullopt); }

TEST_F(RetryTest, ThrottledWithoutATimeIsFinal) {
  EXPECT_EQ(after(1, ErrorCode::kThrottled), std::nullopt);
}

TEST_F(RetryTest, ShortThrottleWaitsAsAsked) {
  retry_after_ = seconds(5);
  EXPECT_EQ(after(1, ErrorCode::kThrottled), seconds(5));
}

TEST_F(RetryTest, LongThrottleIsFinal) {
  retry_after_ = seconds(6);
  EXPECT_EQ(after(1, ErrorCode::kThrottled), std::nullopt);
}

TEST_F(RetryTest, EndlessThrottleIsFinal) {
  retry_after_ = seconds::max();
  EXPECT_EQ(after(1, ErrorCode::kThrottled), std::nullopt);
}

TEST_F(RetryTest, UnavailableHonoursRetryAfterUpToTheLongestDelay) {
  retry_after_ = seconds::max();
  EXPECT_EQ(after(1, ErrorCode::kUnavailable), seconds(5));
}

TEST_F(RetryTest, ShorterRetryAfterChangesNothing) {
  retry_after_ = seconds(0);
  EXPECT_EQ(after(1, ErrorCode::kUnavailable), milliseconds(100));
}

TEST_F(RetryTest, DeclinedErrorIsFinal) {
  Error error{ErrorCode::kUnavailable, ""};
  error.declined = true;
  EXPECT_EQ(next_retry(RetryRules{}, 1, error, 0), std::nullopt);
}

TEST(RealProgress, IsAMebibyteOfALargeBlob) {
  constexpr std::uint64_t kMiB = 1 << 20;
  EXPECT_FALSE(is_real_progress(kMiB - 1, 1000 * kMiB));
  EXPECT_TRUE(is_real_progress(kMiB, 1000 * kMiB));
  EXPECT_FALSE(is_real_progress(kMiB - 1, std::nullopt));
  EXPECT_TRUE(is_real_progress(kMiB, std::nullopt));
}

TEST(RealProgress, IsMoreThanA16thOfASmallBlob) {
  EXPECT_FALSE(is_real_progress(100, 1600));
  EXPECT_TRUE(is_real_progress(101, 1600));
}

TEST(RealProgress, IsAtLeastAByte) {
  EXPECT_FALSE(is_real_progress(0, 10));
  EXPECT_TRUE(is_real_progress(1, 10));
}

// Checks the bound that the comment of is_real_progress() states.
TEST(RealProgress, HappensAtMostSixteenTimesInASmallBlob) {
  for (std::uint64_t size = 1; size < 1000; ++size) {
    int times = 0;
    std::uint64_t since = 0;
    for (std::uint64_t byte = 0; byte < size; ++byte) {
      if (!is_real_progress(++since, size)) continue;
      ++times;
      since = 0;
    }
    ASSERT_LE(times, 16) << size;
  }
}

}  // namespace
}  // namespace layby::policy
