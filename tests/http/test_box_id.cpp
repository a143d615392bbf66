// SPDX-License-Identifier: Apache-2.0
//
// Tests the ids of boxes in CDN-Loop (RFC 8586) and Via (RFC 9110 section 7.6.3).

#include "layby/http/box_id.h"

#include <gtest/gtest.h>

namespace layby::http {
namespace {

const std::string kOne = make_box_id(1);
const std::string kTwo = make_box_id(0xfedcba9876543210);

TEST(BoxIdTest, HasSixteenDigits) {
  EXPECT_EQ(kOne, "layby-0000000000000001");
  EXPECT_EQ(kTwo, "layby-fedcba9876543210");
}

TEST(BoxIdTest, IsFoundInCdnLoop) {
  EXPECT_EQ(box_ids(kOne), std::vector{kOne});
  EXPECT_EQ(box_ids("cloudflare; loops=2, " + kTwo + "," + kOne), (std::vector{kTwo, kOne}));
}

TEST(BoxIdTest, ViaIsReadAsItIsWritten) {
  EXPECT_EQ(format_via({kOne, kTwo}), "1.1 " + kOne + ", 1.1 " + kTwo);
  EXPECT_EQ(box_ids(format_via({kOne, kTwo})), (std::vector{kOne, kTwo}));
}

TEST(BoxIdTest, OtherMembersArePassedOver) {
  for (const char* list : {"", ",", "1.1 varnish", "layby-", "layby-000000000000000", "layby",
                           "layby-00000000000000001", "layby-000000000000000G",
                           "Layby-0000000000000001", "xlayby-0000000000000001"}) {
    EXPECT_TRUE(box_ids(list).empty()) << list;
  }
}

TEST(BoxIdTest, LongListIsCut) {
  std::string list;
  for (std::uint64_t i = 0; i < 1000; ++i) list += make_box_id(i) + ",";
  EXPECT_EQ(box_ids(list).size(), kMostBoxes);
}

}  // namespace
}  // namespace layby::http
