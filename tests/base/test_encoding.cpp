// SPDX-License-Identifier: Apache-2.0
//
// Encodings, with the Base64 vectors of RFC 4648 section 10.

#include "layby/base/encoding.h"

#include <gtest/gtest.h>

namespace layby {
namespace {

using namespace std::string_view_literals;

TEST(Encoding, EncodesTheBase64VectorsOfTheRfc) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("foob"), "Zm9vYg==");
  EXPECT_EQ(to_base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
}

TEST(Encoding, EncodesAnyByteInBase64) { EXPECT_EQ(to_base64("\xff\xfe\xfd\x80"), "//79gA=="); }

TEST(Encoding, BreaksNoLineInLongBase64) {
  EXPECT_EQ(to_base64(std::string(300, 'x')).find('\n'), std::string::npos);
}

TEST(Encoding, WritesTwoHexDigitsForEachByte) {
  EXPECT_EQ(to_hex("\x00\x9f\xff"sv), "009fff");
  EXPECT_EQ(to_upper_hex("\x00\x9f\xff"sv), "009FFF");
}

TEST(Encoding, WritesNoHexDigitForNoByte) {
  EXPECT_EQ(to_hex(""), "");
  EXPECT_EQ(to_upper_hex(""), "");
}

TEST(Encoding, ReadsHexDigitsOfBothCases) {
  EXPECT_EQ(hex_value('0'), 0);
  EXPECT_EQ(hex_value('9'), 9);
  EXPECT_EQ(hex_value('a'), 10);
  EXPECT_EQ(hex_value('F'), 15);
}

TEST(Encoding, ReadsNoOtherCharacterAsAHexDigit) {
  for (const char c : "g/:@G`\x80\xff"sv) EXPECT_EQ(hex_value(c), std::nullopt) << c;
  EXPECT_EQ(hex_value('\0'), std::nullopt);
}

TEST(Encoding, LowersOnlyAsciiLetters) {
  EXPECT_EQ(to_lower_case("AZ az@[`{09\xc3\x84"), "az az@[`{09\xc3\x84");
}

}  // namespace
}  // namespace layby
