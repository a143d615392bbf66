// SPDX-License-Identifier: Apache-2.0
//
// The form of a log line. Text from outside can't forge a line.

#include "layby/base/log.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace layby {
namespace {

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override { ::testing::internal::CaptureStderr(); }
  void TearDown() override {
    if (capturing_) ::testing::internal::GetCapturedStderr();
    log::start("info");
  }

  std::string captured() {
    capturing_ = false;
    return ::testing::internal::GetCapturedStderr();
  }

 private:
  bool capturing_ = true;
};

TEST_F(LogTest, LineHasUtcTimeLevelAndText) {
  log::start("info");
  log::info("hello {}", 42);
  const std::regex line(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info hello 42\n)");
  const std::string text = captured();
  EXPECT_TRUE(std::regex_match(text, line)) << text;
}

TEST_F(LogTest, LowerLevelsAreLeftOut) {
  log::start("warn");
  log::info("not shown");
  EXPECT_EQ(captured(), "");
}

TEST_F(LogTest, DebugIsShownWhenAskedFor) {
  log::start("debug");
  log::debug("shown");
  EXPECT_NE(captured().find("debug shown"), std::string::npos);
}

TEST_F(LogTest, ErrorIsShownAtEveryLevel) {
  log::start("error");
  log::error("shown");
  EXPECT_NE(captured().find("error shown"), std::string::npos);
}

TEST_F(LogTest, UnknownLevelMeansInfo) {
  log::start("chatty");
  log::info("shown");
  EXPECT_NE(captured().find("info shown"), std::string::npos);
}

TEST_F(LogTest, PrintableKeepsPlainText) { EXPECT_EQ(log::printable("GET /v2/ ~"), "GET /v2/ ~"); }

TEST_F(LogTest, PrintableEscapesLineBreaks) { EXPECT_EQ(log::printable("a\r\nb"), "a\\x0d\\x0ab"); }

TEST_F(LogTest, PrintableEscapesHighBytes) { EXPECT_EQ(log::printable("\x7f\xff"), "\\x7f\\xff"); }

TEST_F(LogTest, PrintableEscapesNul) {
  EXPECT_EQ(log::printable(std::string_view("\0", 1)), "\\x00");
}

TEST_F(LogTest, PrintableKeepsTwoHundredBytes) {
  EXPECT_EQ(log::printable(std::string(200, 'a')), std::string(200, 'a'));
}

TEST_F(LogTest, PrintableCutsLongText) {
  EXPECT_EQ(log::printable(std::string(201, 'a')), std::string(200, 'a') + "...");
}

}  // namespace
}  // namespace layby
