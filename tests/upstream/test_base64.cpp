// SPDX-License-Identifier: Apache-2.0
//
// The vectors of RFC 4648 section 10.

#include "upstream/base64.h"

#include <gtest/gtest.h>

namespace layby::upstream {
namespace {

TEST(Base64, EncodesTheVectorsOfTheRfc) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

TEST(Base64, EncodesAnyByte) { EXPECT_EQ(base64("\xff\xfe\xfd\x80"), "//79gA=="); }

}  // namespace
}  // namespace layby::upstream
