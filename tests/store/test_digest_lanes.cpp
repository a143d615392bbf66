// SPDX-License-Identifier: Apache-2.0

#include "store/digest_lanes.h"

#include <gtest/gtest.h>

namespace layby::store {
namespace {

class DigestLanesTest : public ::testing::Test {
 protected:
  event::Workers workers_{1};
  DigestLanes lanes_{workers_};
  const oci::Digest digest_ = oci::Digest::of("a");
};

TEST_F(DigestLanesTest, ADigestHasOneLaneWhileSomebodyHoldsIt) {
  const auto lane = lanes_.get(digest_);
  EXPECT_EQ(lanes_.get(digest_), lane);
  EXPECT_EQ(lanes_.find(digest_), lane);
}

TEST_F(DigestLanesTest, TwoDigestsHaveTwoLanes) {
  const auto lane = lanes_.get(digest_);
  EXPECT_NE(lanes_.get(oci::Digest::of("b")), lane);
}

TEST_F(DigestLanesTest, ALaneEndsWithItsLastHolder) {
  lanes_.get(digest_)->grants.add({"u", "r"});
  EXPECT_EQ(lanes_.find(digest_), nullptr);
  EXPECT_EQ(lanes_.get(digest_)->grants.grant_state({"u", "r"}), cache::GrantState::kPublic);
}

TEST_F(DigestLanesTest, FindMakesNoLane) {
  EXPECT_EQ(lanes_.find(digest_), nullptr);
  EXPECT_EQ(lanes_.find(digest_), nullptr);
}

}  // namespace
}  // namespace layby::store
