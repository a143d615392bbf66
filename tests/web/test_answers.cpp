// SPDX-License-Identifier: Apache-2.0

#include "layby/web/answers.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>

namespace layby::web {
namespace {

class AnswersTest : public ::testing::Test {
 protected:
  static std::string body(const server::Response& response) {
    return *std::get<std::shared_ptr<const std::string>>(response.body);
  }

  server::Request request_;
};

TEST_F(AnswersTest, NoCacheKeepsAnAnswer) {
  EXPECT_EQ(text_answer(200, "ok\n").headers.get("Cache-Control"), "no-store");
  EXPECT_EQ(json_answer(200, "{}").headers.get("Cache-Control"), "no-store");
}

TEST_F(AnswersTest, TextSaysItsCharset) {
  EXPECT_EQ(text_answer(200, "ok\n").headers.get("Content-Type"), "text/plain; charset=utf-8");
}

TEST_F(AnswersTest, APersonGetsAnErrorAsText) {
  const server::Response answer = error_answer(request_, 400, "write a number");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(body(answer), "layby: write a number\n");
}

TEST_F(AnswersTest, AProgramGetsAnErrorAsJson) {
  request_.client.is_local = true;
  const server::Response answer = error_answer(request_, 400, "\"x\xff\" is no image");
  EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(body(answer), "{\"error\":\"\\\"x\xef\xbf\xbd\\\" is no image\"}\n");
}

TEST_F(AnswersTest, AFailuresStatusFollowsItsCode) {
  EXPECT_EQ(failure_answer(request_, {ErrorCode::kNotFound, "none"}).status, 404);
  EXPECT_EQ(failure_answer(request_, {ErrorCode::kDenied, "pinned"}).status, 409);
  EXPECT_EQ(failure_answer(request_, {ErrorCode::kIo, "disk"}).status, 500);
}

}  // namespace
}  // namespace layby::web
