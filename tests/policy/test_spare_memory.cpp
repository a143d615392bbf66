// SPDX-License-Identifier: Apache-2.0
//
// Tests when freed memory is given back to the system.

#include "layby/policy/spare_memory.h"

#include <gtest/gtest.h>

namespace layby::policy {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class SpareMemoryTest : public ::testing::Test {
 protected:
  SpareMemory spare_;
};

TEST_F(SpareMemoryTest, ALittleIsKept) {
  EXPECT_FALSE(spare_.must_return(0));
  EXPECT_FALSE(spare_.must_return(SpareMemory::kWorthwhileBytes - 1));
}

TEST_F(SpareMemoryTest, MuchIsReturnedOnce) {
  EXPECT_TRUE(spare_.must_return(100 * kMiB));
  EXPECT_FALSE(spare_.must_return(100 * kMiB));
  EXPECT_FALSE(spare_.must_return(101 * kMiB));
}

TEST_F(SpareMemoryTest, MemoryThatIsUsedAndFreedAgainIsReturnedAgain) {
  EXPECT_TRUE(spare_.must_return(100 * kMiB));
  EXPECT_FALSE(spare_.must_return(20 * kMiB));
  EXPECT_TRUE(spare_.must_return(100 * kMiB));
}

TEST_F(SpareMemoryTest, SmallAmountsAddUp) {
  EXPECT_FALSE(spare_.must_return(3 * kMiB));
  EXPECT_TRUE(spare_.must_return(6 * kMiB));
  EXPECT_FALSE(spare_.must_return(9 * kMiB));
  EXPECT_TRUE(spare_.must_return(12 * kMiB));
}

}  // namespace
}  // namespace layby::policy
