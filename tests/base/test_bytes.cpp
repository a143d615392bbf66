// SPDX-License-Identifier: Apache-2.0
//
// Sizes and durations: valid and refused texts of a configuration, and the texts for people.

#include "layby/base/bytes.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace layby {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class BytesTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  // The parsed size, or nullopt, so that one line states one expectation.
  static std::optional<std::uint64_t> size_of(std::string_view text) {
    const Result<std::uint64_t> size = parse_bytes(text);
    return size ? std::optional(*size) : std::nullopt;
  }
  static std::optional<milliseconds> duration_of(std::string_view text) {
    const Result<milliseconds> duration = parse_duration(text);
    return duration ? std::optional(*duration) : std::nullopt;
  }
};

TEST_F(BytesTest, BareNumberIsBytes) { EXPECT_EQ(size_of("4096"), 4096U); }

TEST_F(BytesTest, ByteUnitIsBytes) { EXPECT_EQ(size_of("12B"), 12U); }

TEST_F(BytesTest, BinaryUnitIsPowerOf1024) { EXPECT_EQ(size_of("64KiB"), 65536U); }

TEST_F(BytesTest, DecimalUnitIsPowerOf1000) { EXPECT_EQ(size_of("2MB"), 2'000'000U); }

TEST_F(BytesTest, FractionIsExact) { EXPECT_EQ(size_of("1.5GiB"), 1'610'612'736U); }

TEST_F(BytesTest, LargestUnitIsRead) { EXPECT_EQ(size_of("2TiB"), 2ULL << 40); }

TEST_F(BytesTest, SpaceBeforeUnitIsFine) { EXPECT_EQ(size_of("10 GB"), 10'000'000'000U); }

TEST_F(BytesTest, CaseOfUnitDoesNotMatter) { EXPECT_EQ(size_of("3kb"), 3'000U); }

TEST_F(BytesTest, ZeroIsASize) { EXPECT_EQ(size_of("0"), 0U); }

TEST_F(BytesTest, LargestNumberIsRead) { EXPECT_EQ(size_of("18446744073709551615"), UINT64_MAX); }

TEST_F(BytesTest, NumberAbove64BitsIsRefused) {
  EXPECT_EQ(size_of("18446744073709551616"), std::nullopt);
}

TEST_F(BytesTest, ProductAbove64BitsIsRefused) { EXPECT_EQ(size_of("16777216TiB"), std::nullopt); }

TEST_F(BytesTest, LargestProductIsRead) {
  EXPECT_EQ(size_of("16777215.999999TiB"),
            (16777215ULL << 40) + 999999ULL * (1ULL << 40) / 1000000);
}

TEST_F(BytesTest, EmptyTextIsRefused) { EXPECT_EQ(size_of(""), std::nullopt); }

TEST_F(BytesTest, UnitAloneIsRefused) { EXPECT_EQ(size_of("MB"), std::nullopt); }

TEST_F(BytesTest, SignIsRefused) { EXPECT_EQ(size_of("-1"), std::nullopt); }

TEST_F(BytesTest, ExponentIsRefused) { EXPECT_EQ(size_of("1e3"), std::nullopt); }

TEST_F(BytesTest, FractionOfAByteIsRefused) { EXPECT_EQ(size_of("1.5"), std::nullopt); }

TEST_F(BytesTest, PointWithoutDigitsIsRefused) { EXPECT_EQ(size_of("1.MB"), std::nullopt); }

TEST_F(BytesTest, TrailingSpaceIsRefused) { EXPECT_EQ(size_of("1 "), std::nullopt); }

TEST_F(BytesTest, RefusalQuotesTheTextAndShowsHowToWriteIt) {
  const Result<std::uint64_t> size = parse_bytes("lots");
  ASSERT_FALSE(size.ok());
  EXPECT_EQ(size.error().code, ErrorCode::kInvalid);
  EXPECT_NE(size.error().message.find("\"lots\""), std::string::npos);
  EXPECT_NE(size.error().message.find("64KiB"), std::string::npos);
}

TEST_F(BytesTest, DurationInMilliseconds) { EXPECT_EQ(duration_of("500ms"), milliseconds(500)); }

TEST_F(BytesTest, DurationInSeconds) { EXPECT_EQ(duration_of("60s"), seconds(60)); }

TEST_F(BytesTest, DurationInMinutes) { EXPECT_EQ(duration_of("5m"), minutes(5)); }

TEST_F(BytesTest, DurationInHours) { EXPECT_EQ(duration_of("6h"), hours(6)); }

TEST_F(BytesTest, DurationInDays) { EXPECT_EQ(duration_of("7d"), hours(7 * 24)); }

TEST_F(BytesTest, DurationWithoutUnitIsRefused) { EXPECT_EQ(duration_of("60"), std::nullopt); }

TEST_F(BytesTest, DurationOfTwoUnitsIsRefused) { EXPECT_EQ(duration_of("1h30m"), std::nullopt); }

TEST_F(BytesTest, DurationWithFractionIsRefused) { EXPECT_EQ(duration_of("1.5h"), std::nullopt); }

TEST_F(BytesTest, DurationThatNanosecondsCannotHoldIsRefused) {
  EXPECT_EQ(duration_of("110000d"), std::nullopt);
}

TEST_F(BytesTest, SmallSizesAreShownInBytes) { EXPECT_EQ(format_bytes(512), "512 B"); }

TEST_F(BytesTest, SizesAreShownInDecimalUnits) { EXPECT_EQ(format_bytes(3'806'000), "3.8 MB"); }

TEST_F(BytesTest, LargeSizesAreShownWithoutFraction) {
  EXPECT_EQ(format_bytes(162'400'000), "162 MB");
}

TEST_F(BytesTest, RoundingUpMovesToTheNextUnit) { EXPECT_EQ(format_bytes(999'999), "1.0 MB"); }

TEST_F(BytesTest, LargestSizeIsShown) { EXPECT_EQ(format_bytes(UINT64_MAX), "18.4 EB"); }

TEST_F(BytesTest, ShortDurationIsShownInMilliseconds) {
  EXPECT_EQ(format_duration(milliseconds(40)), "40 ms");
}

TEST_F(BytesTest, FewSecondsAreShownWithTenths) {
  EXPECT_EQ(format_duration(milliseconds(1530)), "1.5s");
}

TEST_F(BytesTest, SecondsAreShownWhole) { EXPECT_EQ(format_duration(milliseconds(45'900)), "45s"); }

TEST_F(BytesTest, MinutesAreShownWithSeconds) {
  EXPECT_EQ(format_duration(seconds(200)), "3m 20s");
}

TEST_F(BytesTest, DaysAreShownWithHours) {
  EXPECT_EQ(format_duration(hours(26) + minutes(59)), "1d 2h");
}

TEST_F(BytesTest, SecondUnitOfZeroIsLeftOut) {
  EXPECT_EQ(format_duration(hours(24) + minutes(5)), "1d");
}

TEST_F(BytesTest, NegativeDurationIsShownWithItsSign) {
  EXPECT_EQ(format_duration(seconds(-200)), "-3m 20s");
}

TEST_F(BytesTest, LowestDurationIsShown) {
  EXPECT_EQ(format_duration(milliseconds::min()).front(), '-');
}

}  // namespace
}  // namespace layby
