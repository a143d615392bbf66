// SPDX-License-Identifier: Apache-2.0
//
// Whether a blob fits into the cache, at and around both limits.

#include "layby/policy/admission.h"

#include <gtest/gtest.h>

#include <limits>

namespace layby::policy {
namespace {

class AdmissionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    rules_.max_bytes = {0, 1000};
    rules_.min_free_bytes = {0, 100};
    use_ = {600, 0, 5000, 10'000};
  }
  void TearDown() override {}

  SpaceRules rules_;
  SpaceUse use_;
};

TEST_F(AdmissionTest, AdmitsUpToMaxBytes) { EXPECT_TRUE(has_room(rules_, use_, 400)); }

TEST_F(AdmissionTest, RefusesOneByteBeyondMaxBytes) { EXPECT_FALSE(has_room(rules_, use_, 401)); }

TEST_F(AdmissionTest, CountsBytesThatFillsHaveYetToWrite) {
  use_.reserved_bytes = 300;
  EXPECT_TRUE(has_room(rules_, use_, 100));
  EXPECT_FALSE(has_room(rules_, use_, 101));
}

TEST_F(AdmissionTest, LeavesMinFreeBytesFree) {
  use_.disk_free_bytes = 300;
  EXPECT_TRUE(has_room(rules_, use_, 200));
  EXPECT_FALSE(has_room(rules_, use_, 201));
}

TEST_F(AdmissionTest, AShareCountsTheWholeFileSystem) {
  rules_.max_bytes = {8, 0};
  EXPECT_TRUE(has_room(rules_, use_, 200));
  EXPECT_FALSE(has_room(rules_, use_, 201));
}

TEST_F(AdmissionTest, AdmitsWhileTheDiskIsUnknown) {
  use_.disk_total_bytes = 0;
  EXPECT_TRUE(has_room(rules_, use_, 1'000'000));
}

TEST_F(AdmissionTest, ASizeThatOverflowsIsRefused) {
  use_.reserved_bytes = 10;
  EXPECT_FALSE(has_room(rules_, use_, std::numeric_limits<std::uint64_t>::max() - 5));
}

TEST(CapacityTest, IsTheSmallerOfBothRules) {
  const SpaceRules rules{{80, 0}, {0, 1000}};
  EXPECT_EQ(capacity(rules, {0, 0, 10'000, 10'000}), 8'000u);
  EXPECT_EQ(capacity(rules, {0, 0, 5'000, 10'000}), 4'000u);
}

TEST(CapacityTest, CountsCachedBytesAsUsable) {
  const SpaceRules rules{{80, 0}, {0, 1000}};
  EXPECT_EQ(capacity(rules, {3'000, 0, 2'000, 10'000}), 4'000u);
}

TEST(CapacityTest, IsZeroWhenOthersFillTheDisk) {
  const SpaceRules rules{{80, 0}, {0, 1000}};
  EXPECT_EQ(capacity(rules, {0, 0, 500, 10'000}), 0u);
}

}  // namespace
}  // namespace layby::policy
