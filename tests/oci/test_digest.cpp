// SPDX-License-Identifier: Apache-2.0
//
// Digests: only registered algorithms, exact lengths, lower-case hexadecimal.

#include "layby/oci/digest.h"

#include <gtest/gtest.h>

#include <string>
#include <unordered_set>

namespace layby::oci {
namespace {

class DigestTest : public ::testing::Test {
 protected:
  void SetUp() override {
    hex256_ = sha_hex(ShaKind::kSha256, "abc");
    hex512_ = sha_hex(ShaKind::kSha512, "abc");
  }
  void TearDown() override {}

  std::string hex256_;
  std::string hex512_;
};

TEST_F(DigestTest, Sha256IsRead) {
  const auto digest = Digest::parse("sha256:" + hex256_);
  ASSERT_TRUE(digest.has_value());
  EXPECT_EQ(digest->kind(), ShaKind::kSha256);
  EXPECT_EQ(digest->algorithm(), "sha256");
  EXPECT_EQ(digest->hex(), hex256_);
  EXPECT_EQ(digest->str(), "sha256:" + hex256_);
}

TEST_F(DigestTest, Sha512IsRead) {
  const auto digest = Digest::parse("sha512:" + hex512_);
  ASSERT_TRUE(digest.has_value());
  EXPECT_EQ(digest->kind(), ShaKind::kSha512);
  EXPECT_EQ(digest->algorithm(), "sha512");
  EXPECT_EQ(digest->hex(), hex512_);
}

TEST_F(DigestTest, DigestOfContentIsItsHash) {
  EXPECT_EQ(Digest::of("abc"), Digest::parse("sha256:" + hex256_));
}

TEST_F(DigestTest, DigestOfContentInSha512) {
  EXPECT_EQ(Digest::of("abc", ShaKind::kSha512), Digest::parse("sha512:" + hex512_));
}

TEST_F(DigestTest, FromHexEqualsParse) {
  EXPECT_EQ(Digest::from_hex(ShaKind::kSha256, hex256_), Digest::parse("sha256:" + hex256_));
}

TEST_F(DigestTest, UnknownAlgorithmIsRefused) {
  EXPECT_FALSE(Digest::parse("sha384:" + std::string(96, 'a')));
}

TEST_F(DigestTest, AlgorithmOfAnotherLengthIsRefused) {
  EXPECT_FALSE(Digest::parse("sha512:" + hex256_));
}

TEST_F(DigestTest, UpperCaseHexIsRefused) {
  EXPECT_FALSE(Digest::parse("sha256:" + std::string(64, 'A')));
}

TEST_F(DigestTest, UpperCaseAlgorithmIsRefused) {
  EXPECT_FALSE(Digest::parse("SHA256:" + hex256_));
}

TEST_F(DigestTest, NonHexIsRefused) {
  EXPECT_FALSE(Digest::parse("sha256:" + std::string(64, 'g')));
}

TEST_F(DigestTest, EveryNonDigitByteIsRefused) {
  for (const std::size_t place : {0, 7, 8, 63}) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string hex = hex256_;
      hex[place] = static_cast<char>(byte);
      const bool is_digit = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
      EXPECT_EQ(Digest::parse("sha256:" + hex).has_value(), is_digit) << place << ": " << byte;
    }
  }
}

TEST_F(DigestTest, ShortHexIsRefused) {
  EXPECT_FALSE(Digest::parse("sha256:" + hex256_.substr(1)));
}

TEST_F(DigestTest, LongHexIsRefused) { EXPECT_FALSE(Digest::parse("sha256:" + hex256_ + "0")); }

TEST_F(DigestTest, OtherSeparatorIsRefused) { EXPECT_FALSE(Digest::parse("sha256-" + hex256_)); }

TEST_F(DigestTest, PathInTheHexIsRefused) {
  EXPECT_FALSE(Digest::parse("sha256:../" + hex256_.substr(3)));
}

TEST_F(DigestTest, EmptyTextIsRefused) { EXPECT_FALSE(Digest::parse("")); }

TEST_F(DigestTest, DigestsAreKeysOfHashTables) {
  const std::unordered_set<Digest> digests{Digest::of("a"), Digest::of("b"), Digest::of("a")};
  EXPECT_EQ(digests.size(), 2U);
}

}  // namespace
}  // namespace layby::oci
