// SPDX-License-Identifier: Apache-2.0
//
// Result and Status as containers, and how errno becomes an Error.

#include "layby/base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>

namespace layby {
namespace {

class ResultTest : public ::testing::Test {
 protected:
  void SetUp() override { error_ = {ErrorCode::kDenied, "no", std::chrono::seconds(3)}; }
  void TearDown() override {}

  Error error_;
};

TEST_F(ResultTest, HoldsAValue) {
  const Result<int> result = 7;
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, 7);
}

TEST_F(ResultTest, HoldsAnError) {
  const Result<int> result = error_;
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kDenied);
  EXPECT_EQ(result.error().message, "no");
  EXPECT_EQ(result.error().retry_after, std::chrono::seconds(3));
}

TEST_F(ResultTest, GivesUpAValueThatOnlyMoves) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 7);
}

TEST_F(ResultTest, ArrowReachesTheValue) {
  const Result<std::string> result = std::string("four");
  EXPECT_EQ(result->size(), 4U);
}

TEST_F(ResultTest, GivesUpItsError) {
  Result<int> result = error_;
  const Error error = std::move(result).error();
  EXPECT_EQ(error.message, "no");
}

TEST_F(ResultTest, DefaultStatusIsGood) { EXPECT_TRUE(Status().ok()); }

TEST_F(ResultTest, StatusHoldsAnError) {
  const Status status = error_;
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kDenied);
}

TEST_F(ResultTest, FullDiskHasItsOwnCode) {
  EXPECT_EQ(errno_error("write", ENOSPC).code, ErrorCode::kNoSpace);
}

TEST_F(ResultTest, ExhaustedQuotaCountsAsAFullDisk) {
  EXPECT_EQ(errno_error("write", EDQUOT).code, ErrorCode::kNoSpace);
}

TEST_F(ResultTest, MissingFileIsNotFound) {
  EXPECT_EQ(errno_error("open", ENOENT).code, ErrorCode::kNotFound);
}

TEST_F(ResultTest, ForbiddenFileIsIo) {
  EXPECT_EQ(errno_error("open", EACCES).code, ErrorCode::kIo);
}

TEST_F(ResultTest, ForbiddenOperationIsIo) {
  EXPECT_EQ(errno_error("open", EPERM).code, ErrorCode::kIo);
}

TEST_F(ResultTest, ErrnoMessageSaysWhatAndWhy) {
  EXPECT_EQ(errno_error("open /x", ENOSPC).message, "open /x: No space left on device");
}

TEST_F(ResultTest, EveryCodeHasItsOwnName) {
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kCancelled); ++code) {
    names.insert(to_string(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorCode::kCancelled) + 1);
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace layby
