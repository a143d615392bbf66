// SPDX-License-Identifier: Apache-2.0
//
// Error answers: codes and statuses of the specification, and bodies that stay valid JSON
// with any bytes in their texts.

#include "layby/oci/error_body.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace layby::oci {
namespace {

class ErrorBodyTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static nlohmann::json parsed(std::string_view text) {
    return nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  }
};

TEST_F(ErrorBodyTest, UnknownManifestIs404) {
  EXPECT_EQ(http_status(ApiErrorCode::kManifestUnknown), 404);
}

TEST_F(ErrorBodyTest, InvalidDigestIs400) {
  EXPECT_EQ(http_status(ApiErrorCode::kDigestInvalid), 400);
}

TEST_F(ErrorBodyTest, DeniedIs403) { EXPECT_EQ(http_status(ApiErrorCode::kDenied), 403); }

TEST_F(ErrorBodyTest, UnsupportedIs405) { EXPECT_EQ(http_status(ApiErrorCode::kUnsupported), 405); }

TEST_F(ErrorBodyTest, UnavailableIs503) { EXPECT_EQ(http_status(ApiErrorCode::kUnavailable), 503); }

TEST_F(ErrorBodyTest, CodesAreNamedAsInTheSpecification) {
  EXPECT_EQ(to_string(ApiErrorCode::kTooManyRequests), "TOOMANYREQUESTS");
}

TEST_F(ErrorBodyTest, BodyHasCodeMessageAndDetailInOrder) {
  EXPECT_EQ(error_body(ApiErrorCode::kDenied, "no", "why"),
            R"({"errors":[{"code":"DENIED","message":"no","detail":"why"}]})");
}

TEST_F(ErrorBodyTest, EmptyDetailIsLeftOut) {
  EXPECT_EQ(error_body(ApiErrorCode::kDenied, "no"),
            R"({"errors":[{"code":"DENIED","message":"no"}]})");
}

TEST_F(ErrorBodyTest, QuotesAreEscaped) {
  EXPECT_EQ(parsed(error_body(ApiErrorCode::kDenied, "a\"b\\\n"))["errors"][0]["message"],
            "a\"b\\\n");
}

TEST_F(ErrorBodyTest, AnyBytesGiveValidJson) {
  EXPECT_FALSE(parsed(error_body(ApiErrorCode::kDenied, "\xff\xfe\x01", "\xc3")).is_discarded());
}

}  // namespace
}  // namespace layby::oci
