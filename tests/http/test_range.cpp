// SPDX-License-Identifier: Apache-2.0
//
// Range and Content-Range: RFC 9110's examples, its edges, and hostile numbers.

#include "layby/http/range.h"

#include <gtest/gtest.h>

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

TEST_F(RangeTest, SeveralRangesAreTheWhole) { EXPECT_EQ(resolve("bytes=0-0,5-6"), whole_); }

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
