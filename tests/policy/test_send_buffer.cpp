// SPDX-License-Identifier: Apache-2.0
//
// Tests how large send buffers become, and that all of them stay within the budget.

#include "layby/policy/send_buffer.h"

#include <gtest/gtest.h>

#include <vector>

namespace layby::policy {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint64_t kMiB = 1 << 20;

class SendBufferTest : public ::testing::Test {
 protected:
  static TcpPath with_window(std::uint64_t bytes) { return {microseconds(50'000), bytes}; }

  SendBudget budget_{64 * kMiB};
};

TEST_F(SendBufferTest, AClientOnTheSameMachineOrLanIsNear) {
  EXPECT_FALSE((TcpPath{microseconds(30), 0}).is_far());
  EXPECT_FALSE((TcpPath{microseconds(499), 0}).is_far());
  EXPECT_TRUE((TcpPath{microseconds(500), 0}).is_far());
  EXPECT_TRUE((TcpPath{microseconds(100'000), 0}).is_far());
}

TEST_F(SendBufferTest, ASmallWindowNeedsNoMoreThanTheKernelsGrowth) {
  EXPECT_EQ(budget_.grow(0, with_window(14'600)), 0u);
  EXPECT_EQ(budget_.grow(0, with_window(kKernelSendBufferBytes)), 0u);
  EXPECT_EQ(budget_.left_bytes(), kSendBudgetBytes);
}

TEST_F(SendBufferTest, ABufferFollowsTheWindow) {
  const std::uint64_t first = budget_.grow(0, with_window(3 * kMiB));
  EXPECT_EQ(first, 3 * kMiB);
  const std::uint64_t second = budget_.grow(first, with_window(5 * kMiB));
  EXPECT_EQ(second, 5 * kMiB);
  EXPECT_EQ(budget_.left_bytes(), kSendBudgetBytes - 5 * kMiB);
}

TEST_F(SendBufferTest, ABufferDoesNotShrinkWithTheWindow) {
  EXPECT_EQ(budget_.grow(5 * kMiB, with_window(kMiB)), 5 * kMiB);
}

TEST_F(SendBufferTest, ABufferHasABound) {
  EXPECT_EQ(budget_.grow(0, with_window(1'000 * kMiB)), kMostSendBufferBytes);
}

TEST_F(SendBufferTest, TheKernelMayGiveLess) {
  SendBudget little(3 * kMiB);
  EXPECT_EQ(little.grow(0, with_window(100 * kMiB)), 3 * kMiB);
  // The usual net.core.wmem_max is less than what the kernel's own growth gives.
  SendBudget none(212'992);
  EXPECT_EQ(none.grow(0, with_window(100 * kMiB)), 0u);
}

TEST_F(SendBufferTest, AllBuffersStayWithinTheBudget) {
  std::uint64_t all = 0;
  std::vector<std::uint64_t> held(100);
  for (std::uint64_t window = kMiB; window <= 16 * kMiB; window += kMiB) {
    for (std::uint64_t& one : held) one = budget_.grow(one, with_window(window));
  }
  for (const std::uint64_t one : held) all += one;
  EXPECT_EQ(all + budget_.left_bytes(), kSendBudgetBytes);
}

TEST_F(SendBufferTest, ABufferThatWasGivenBackServesTheNextClient) {
  std::vector<std::uint64_t> held;
  for (int i = 0; i < 8; ++i) held.push_back(budget_.grow(0, with_window(8 * kMiB)));
  EXPECT_EQ(budget_.left_bytes(), 0u);
  EXPECT_EQ(budget_.grow(0, with_window(8 * kMiB)), 0u);
  budget_.give_back(held.back());
  EXPECT_EQ(budget_.grow(0, with_window(8 * kMiB)), 8 * kMiB);
}

class LatenessTest : public ::testing::Test {
 protected:
  // Notes `count` equal waits. Returns whether the process is mostly late after the last wait.
  bool note(int count, microseconds waited, bool ran_empty) {
    bool late = false;
    for (int i = 0; i < count; ++i) late = lateness_.note(waited, ran_empty);
    return late;
  }

  Lateness lateness_;
};

TEST_F(LatenessTest, AProcessThatComesAtOnceIsInTime) {
  EXPECT_FALSE(note(1'000, microseconds(50), true));
}

TEST_F(LatenessTest, AProcessIsInTimeWhileTheBufferHasBytes) {
  EXPECT_FALSE(note(1'000, milliseconds(20), false));
}

TEST_F(LatenessTest, AFewLateWaitsAreAHiccup) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(note(3, milliseconds(4), true));
    EXPECT_FALSE(note(3, microseconds(50), true));
  }
}

TEST_F(LatenessTest, AProcessThatIsLateAgainAndAgainIsLate) {
  EXPECT_FALSE(note(3, milliseconds(4), true));
  EXPECT_TRUE(note(1, milliseconds(4), true));
}

}  // namespace
}  // namespace layby::policy
