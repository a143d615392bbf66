// SPDX-License-Identifier: Apache-2.0
//
// The text around the parts of multipart/byteranges, byte for byte, and its announced length.

#include "layby/http/multipart_ranges.h"

#include <gtest/gtest.h>

#include <string>

namespace layby::http {
namespace {

class MultipartRangesTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static std::string body_of(const MultipartRanges& parts, const std::string& bytes) {
    std::string body;
    for (std::size_t i = 0; i < parts.count(); ++i) {
      const ByteRange& range = parts.ranges()[i];
      body += parts.head(i) + bytes.substr(range.first, range.length);
    }
    return body + parts.end();
  }
};

TEST_F(MultipartRangesTest, BodyIsThatOfTheRfc) {
  const MultipartRanges parts({{6, 2}, {0, 5}}, 10, "THIS_STRING_SEPARATES", "application/pdf");
  const std::string body = body_of(parts, "0123456789");
  EXPECT_EQ(parts.content_type(), "multipart/byteranges; boundary=THIS_STRING_SEPARATES");
  EXPECT_EQ(body,
            "--THIS_STRING_SEPARATES\r\n"
            "Content-Type: application/pdf\r\n"
            "Content-Range: bytes 6-7/10\r\n"
            "\r\n"
            "67\r\n"
            "--THIS_STRING_SEPARATES\r\n"
            "Content-Type: application/pdf\r\n"
            "Content-Range: bytes 0-4/10\r\n"
            "\r\n"
            "01234\r\n"
            "--THIS_STRING_SEPARATES--\r\n");
  EXPECT_EQ(parts.body_bytes(), body.size());
}

TEST_F(MultipartRangesTest, SpanHasAllRanges) {
  const MultipartRanges parts({{50, 10}, {7, 3}, {20, 1}}, 100, "b", "a/b");
  EXPECT_EQ(parts.span(), (ByteRange{7, 53}));
}

}  // namespace
}  // namespace layby::http
