// SPDX-License-Identifier: Apache-2.0
//
// Range and Content-Range: RFC 9110's examples, its edges, and hostile numbers.

#include "layby/http/range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace layby::http {
namespace {

constexpr std::uint64_t kSize = 10'000;

class RangeTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static RangeDecision resolve(std::string_view value) { return resolve_range(value, kSize); }
  static RangeDecision bytes(std::uint64_t first, std::uint64_t length) {
    return ByteRange{first, length};
  }
  static RangeDecision several(ByteRanges ranges) { return ranges; }
  const RangeDecision whole_ = WholeBody{};
  const RangeDecision unsatisfiable_ = Unsatisfiable{};
};

TEST_F(RangeTest, NoHeaderIsTheWhole) { EXPECT_EQ(resolve_range(std::nullopt, kSize), whole_); }

TEST_F(RangeTest, FirstAndLast) { EXPECT_EQ(resolve("bytes=500-999"), bytes(500, 500)); }

TEST_F(RangeTest, OneByte) { EXPECT_EQ(resolve("bytes=0-0"), bytes(0, 1)); }

TEST_F(RangeTest, OpenEnd) { EXPECT_EQ(resolve("bytes=9500-"), bytes(9500, 500)); }

TEST_F(RangeTest, Suffix) { EXPECT_EQ(resolve("bytes=-500"), bytes(9500, 500)); }

TEST_F(RangeTest, LastIsCutToTheSize) { EXPECT_EQ(resolve("bytes=9999-20000"), bytes(9999, 1)); }

TEST_F(RangeTest, SuffixIsCutToTheSize) { EXPECT_EQ(resolve("bytes=-20000"), bytes(0, kSize)); }

TEST_F(RangeTest, HugeLastIsCutToTheSize) {
  EXPECT_EQ(resolve("bytes=1-99999999999999999999999"), bytes(1, kSize - 1));
}

TEST_F(RangeTest, HugeFirstIsUnsatisfiable) {
  EXPECT_EQ(resolve("bytes=99999999999999999999999-"), unsatisfiable_);
}

TEST_F(RangeTest, HugeSuffixIsAllBytes) {
  EXPECT_EQ(resolve("bytes=-99999999999999999999999"), bytes(0, kSize));
}

TEST_F(RangeTest, FirstAtTheSizeIsUnsatisfiable) {
  EXPECT_EQ(resolve("bytes=10000-"), unsatisfiable_);
}

TEST_F(RangeTest, EmptySuffixIsUnsatisfiable) { EXPECT_EQ(resolve("bytes=-0"), unsatisfiable_); }

TEST_F(RangeTest, UnitIgnoresCase) { EXPECT_EQ(resolve(" Bytes=0-0 "), bytes(0, 1)); }

TEST_F(RangeTest, OtherUnitIsTheWhole) { EXPECT_EQ(resolve("lines=0-1"), whole_); }

TEST_F(RangeTest, SeveralRangesKeepTheirOrder) {
  EXPECT_EQ(resolve("bytes=500-599,0-0,-1"), several({{500, 100}, {0, 1}, {9999, 1}}));
}

TEST_F(RangeTest, ListsMayHaveSpacesAndEmptyMembers) {
  EXPECT_EQ(resolve("bytes= 0-0 ,, 5-6\t,"), several({{0, 1}, {5, 2}}));
}

TEST_F(RangeTest, OnlyEmptyMembersAreTheWhole) { EXPECT_EQ(resolve("bytes=, ,"), whole_); }

// containers/image counts the parts, and never looks at Content-Range.
TEST_F(RangeTest, RangesThatTouchStayApart) {
  EXPECT_EQ(resolve("bytes=0-4,5-9,11-12"), several({{0, 5}, {5, 5}, {11, 2}}));
}

TEST_F(RangeTest, RangesThatOverlapAreJoinedInThePlaceOfTheFirst) {
  EXPECT_EQ(resolve("bytes=50-59,0-9,55-69,5-6"), several({{50, 20}, {0, 10}}));
}

TEST_F(RangeTest, RangesThatAllOverlapAreOneRange) {
  EXPECT_EQ(resolve("bytes=5-9,0-7,0-,-1"), bytes(0, kSize));
}

TEST_F(RangeTest, UnsatisfiableRangesBesideOthersAreLeftOut) {
  EXPECT_EQ(resolve("bytes=10000-,0-1,-0,4-5"), several({{0, 2}, {4, 2}}));
  EXPECT_EQ(resolve("bytes=10000-,0-1"), bytes(0, 2));
}

TEST_F(RangeTest, OnlyUnsatisfiableRangesAreUnsatisfiable) {
  EXPECT_EQ(resolve("bytes=10000-,-0,20000-20001"), unsatisfiable_);
}

TEST_F(RangeTest, OneMalformedRangeMakesTheWhole) {
  EXPECT_EQ(resolve("bytes=0-1,5-4"), whole_);
  EXPECT_EQ(resolve("bytes=0-1,x"), whole_);
}

TEST_F(RangeTest, MoreRangesThanTheLimitAreTheWhole) {
  std::string value = "bytes=0-0";
  for (std::size_t i = 1; i < kMostRanges; ++i)
    value += "," + std::to_string(2 * i) + "-" + std::to_string(2 * i);
  const RangeDecision most = resolve(value);
  ASSERT_TRUE(std::holds_alternative<ByteRanges>(most));
  EXPECT_EQ(std::get<ByteRanges>(most).size(), kMostRanges);
  EXPECT_EQ(resolve(value + ",9999-"), whole_);
}

// The attack of CVE-2011-3192.
TEST_F(RangeTest, ManyOverlappingRangesAreOneRange) {
  std::string value = "bytes=0-";
  for (int i = 0; i < 1000; ++i) value += ",5-" + std::to_string(i + 5);
  EXPECT_EQ(resolve(value), bytes(0, kSize));
}

TEST_F(RangeTest, PartsAreTheAskedBytes) {
  std::minstd_rand random(1);
  for (int round = 0; round < 500; ++round) {
    const std::uint64_t size = 1 + random() % 300;
    const std::size_t count = 1 + random() % 20;
    std::vector<bool> asked(size);
    std::string value;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t first = random() % (size + 20);
      const std::uint64_t last = first + random() % 30;
      value += (i == 0 ? "bytes=" : ",") + std::to_string(first) + "-" + std::to_string(last);
      for (std::uint64_t at = first; at <= last && at < size; ++at) asked[at] = true;
    }
    const RangeDecision decision = resolve_range(value, size);
    ByteRanges ranges;
    if (const auto* one = std::get_if<ByteRange>(&decision)) ranges.push_back(*one);
    if (const auto* several = std::get_if<ByteRanges>(&decision)) ranges = *several;
    for (const ByteRange& range : ranges) {
      for (std::uint64_t at = range.first; at < range.first + range.length; ++at) {
        ASSERT_LT(at, size) << value;
        ASSERT_TRUE(asked[at]) << "not asked, or sent twice: " << at << " of " << value;
        asked[at] = false;
      }
    }
    ASSERT_EQ(std::count(asked.begin(), asked.end(), true), 0) << value;
  }
}

TEST_F(RangeTest, LastBelowFirstIsTheWhole) { EXPECT_EQ(resolve("bytes=5-4"), whole_); }

TEST_F(RangeTest, NoNumbersIsTheWhole) { EXPECT_EQ(resolve("bytes=-"), whole_); }

TEST_F(RangeTest, NoDashIsTheWhole) { EXPECT_EQ(resolve("bytes=5"), whole_); }

TEST_F(RangeTest, TwoDashesAreTheWhole) { EXPECT_EQ(resolve("bytes=1-2-3"), whole_); }

TEST_F(RangeTest, SpaceInsideIsTheWhole) { EXPECT_EQ(resolve("bytes=1 - 2"), whole_); }

TEST_F(RangeTest, SignIsTheWhole) { EXPECT_EQ(resolve("bytes=+1-2"), whole_); }

TEST_F(RangeTest, EmptyValueIsTheWhole) { EXPECT_EQ(resolve(""), whole_); }

TEST_F(RangeTest, OpenRangeOfAnEmptyBodyIsUnsatisfiable) {
  EXPECT_EQ(resolve_range("bytes=0-", 0), unsatisfiable_);
}

TEST_F(RangeTest, SuffixOfAnEmptyBodyIsTheWhole) {
  EXPECT_EQ(resolve_range("bytes=-5", 0), whole_);
}

TEST_F(RangeTest, LargestBodyIsServed) {
  EXPECT_EQ(resolve_range("bytes=0-", UINT64_MAX), bytes(0, UINT64_MAX));
}

TEST_F(RangeTest, ContentRangeIsWritten) {
  EXPECT_EQ(format_content_range({0, 100}, 1234), "bytes 0-99/1234");
}

TEST_F(RangeTest, ContentRangeIsRead) {
  EXPECT_EQ(parse_content_range("bytes 0-99/1234"), (ContentRange{0, 99, 1234}));
}

TEST_F(RangeTest, ContentRangeOfUnknownSizeIsRead) {
  EXPECT_EQ(parse_content_range("bytes 5-9/*"), (ContentRange{5, 9, std::nullopt}));
}

TEST_F(RangeTest, ContentRangeWithoutRangeIsRefused) {
  EXPECT_EQ(parse_content_range("bytes */1234"), std::nullopt);
}

TEST_F(RangeTest, ContentRangeBeyondItsSizeIsRefused) {
  EXPECT_EQ(parse_content_range("bytes 0-100/100"), std::nullopt);
}

TEST_F(RangeTest, ContentRangeBackwardsIsRefused) {
  EXPECT_EQ(parse_content_range("bytes 9-5/100"), std::nullopt);
}

TEST_F(RangeTest, ContentRangeBeyondFileOffsetsIsRefused) {
  EXPECT_EQ(parse_content_range("bytes 0-9223372036854775808/*"), std::nullopt);
}

TEST_F(RangeTest, ContentRangeOfAnotherUnitIsRefused) {
  EXPECT_EQ(parse_content_range("lines 0-1/2"), std::nullopt);
}

TEST_F(RangeTest, ContentRangeWithoutSizeIsRefused) {
  EXPECT_EQ(parse_content_range("bytes 0-1"), std::nullopt);
}

TEST_F(RangeTest, EmptyContentRangeIsRefused) { EXPECT_EQ(parse_content_range(""), std::nullopt); }

}  // namespace
}  // namespace layby::http
