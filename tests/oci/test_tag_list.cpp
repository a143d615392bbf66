// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing tag lists.

#include "layby/oci/tag_list.h"

#include <gtest/gtest.h>

namespace layby::oci {
namespace {

using Tags = std::vector<std::string>;

TEST(TagList, KeepsTheOrderOfTags) {
  const auto tags = parse_tag_list(R"({"name":"library/debian","tags":["trixie","bookworm"]})");
  ASSERT_TRUE(tags.ok());
  EXPECT_EQ(*tags, (Tags{"trixie", "bookworm"}));
}

TEST(TagList, TreatsNullAndMissingAsEmpty) {
  EXPECT_EQ(*parse_tag_list(R"({"name":"a","tags":null})"), Tags{});
  EXPECT_EQ(*parse_tag_list(R"({"name":"a"})"), Tags{});
}

TEST(TagList, SkipsInvalidTags) {
  EXPECT_EQ(*parse_tag_list(R"({"tags":["a b","../x",7,"good"]})"), Tags{"good"});
}

TEST(TagList, RefusesAnythingElse) {
  for (const char* body : {"", "[]", "7", R"({"tags":{}})", R"({"tags":["a")"}) {
    const auto tags = parse_tag_list(body);
    ASSERT_FALSE(tags.ok()) << body;
    EXPECT_EQ(tags.error().code, ErrorCode::kCorrupt) << body;
  }
}

TEST(TagList, WritesNameThenTags) {
  EXPECT_EQ(tag_list_body("library/debian", {"a", "b"}),
            R"({"name":"library/debian","tags":["a","b"]})");
}

TEST(TagList, WritesAnEmptyListAsAnArray) {
  EXPECT_EQ(tag_list_body("library/debian", {}), R"({"name":"library/debian","tags":[]})");
}

TEST(TagList, ReadsWhatItWrote) {
  EXPECT_EQ(*parse_tag_list(tag_list_body("a", {"x", "y"})), (Tags{"x", "y"}));
}

}  // namespace
}  // namespace layby::oci
