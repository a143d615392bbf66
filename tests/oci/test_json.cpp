// SPDX-License-Identifier: Apache-2.0
//
// Bounded JSON: depth, and members of hostile types.

#include "oci/json.h"

#include <gtest/gtest.h>

#include <string>

namespace layby::oci {
namespace {

class JsonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    object_ = *parse_json(R"({"text":"a","number":7,"minus":-7,"real":1.5,"none":null})");
  }
  void TearDown() override {}

  static std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  }

  nlohmann::json object_;
};

TEST_F(JsonTest, ModerateDepthIsRead) { EXPECT_TRUE(parse_json(nested(32))); }

TEST_F(JsonTest, DeepNestingIsRefused) { EXPECT_FALSE(parse_json(nested(33))); }

TEST_F(JsonTest, MegabytesOfBracketsAreRefused) {
  EXPECT_FALSE(parse_json(std::string(4 << 20, '[')));
}

TEST_F(JsonTest, MegabytesOfValuesAreRefused) {
  std::string list = "[0";
  while (list.size() < (4 << 20)) list += ",0";
  EXPECT_FALSE(parse_json(list + "]"));
}

TEST_F(JsonTest, AHundredThousandValuesAreRead) {
  std::string list = "[0";
  for (int i = 1; i < 100'000; ++i) list += ",0";
  EXPECT_TRUE(parse_json(list + "]"));
}

TEST_F(JsonTest, BracketsInsideStringsDoNotCount) {
  EXPECT_TRUE(parse_json("\"" + std::string(1000, '[') + "\""));
}

TEST_F(JsonTest, EscapedQuoteDoesNotEndAString) {
  EXPECT_TRUE(parse_json("[\"\\\"" + std::string(1000, '{') + "\"]"));
}

TEST_F(JsonTest, SiblingsDoNotCountAsDepth) {
  std::string list = "[";
  for (int i = 0; i < 1000; ++i) list += "[],";
  EXPECT_TRUE(parse_json(list + "[]]"));
}

TEST_F(JsonTest, TheLongestListIsAMemberOfTheOutermostObject) {
  EXPECT_EQ(longest_list(R"({"a":[1,2],"b":["x,y",[1,2,3,4],{"c":[1,2,3,4],"d":0}]})"), 3u);
  EXPECT_EQ(longest_list(R"({"a":{"b":1,"c":2,"d":3},"e":[1,2],"f":{"g":1,"h":2,"i":3}})"), 2u);
  EXPECT_EQ(longest_list(R"({"a":1,"b":2})"), 0u);
}

TEST_F(JsonTest, BrokenTextIsRefused) { EXPECT_FALSE(parse_json("{\"a\":")); }

TEST_F(JsonTest, InvalidUtf8IsRefused) { EXPECT_FALSE(parse_json("\"\xff\"")); }

TEST_F(JsonTest, NumberBeyondDoubleIsRefused) { EXPECT_FALSE(parse_json("1e999")); }

TEST_F(JsonTest, TrailingTextIsRefused) { EXPECT_FALSE(parse_json("{} x")); }

TEST_F(JsonTest, EmptyTextIsRefused) { EXPECT_FALSE(parse_json("")); }

TEST_F(JsonTest, MemberIsFound) { EXPECT_NE(member(object_, "text"), nullptr); }

TEST_F(JsonTest, MissingMemberIsNull) { EXPECT_EQ(member(object_, "other"), nullptr); }

TEST_F(JsonTest, NullMemberCountsAsMissing) { EXPECT_EQ(member(object_, "none"), nullptr); }

TEST_F(JsonTest, MemberOfAListIsNull) { EXPECT_EQ(member(nlohmann::json::array(), "a"), nullptr); }

TEST_F(JsonTest, StringIsRead) { EXPECT_EQ(as_string(object_["text"]), "a"); }

TEST_F(JsonTest, NumberIsNoString) { EXPECT_EQ(as_string(object_["number"]), std::nullopt); }

TEST_F(JsonTest, WholeNumberIsRead) { EXPECT_EQ(as_unsigned(object_["number"]), 7U); }

TEST_F(JsonTest, NegativeNumberIsRefused) {
  EXPECT_EQ(as_unsigned(object_["minus"]), std::nullopt);
}

TEST_F(JsonTest, FractionIsRefused) { EXPECT_EQ(as_unsigned(object_["real"]), std::nullopt); }

}  // namespace
}  // namespace layby::oci
