// SPDX-License-Identifier: Apache-2.0
//
// The output of `layby verify`, from figures and times that the test states.

#include "cli/verify_progress.h"

#include <gtest/gtest.h>

namespace layby::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using State = VerifyProgress::State;

class VerifyProgressTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static Check check(std::uint64_t checked_bytes, std::uint64_t bad = 0, bool running = true) {
    Check check;
    check.running = running;
    check.checked_blobs = checked_bytes / 1'000'000;
    check.checked_bytes = checked_bytes;
    check.bad_blobs = bad;
    check.stored_bytes = 400'000'000;
    check.daemon_uptime_seconds = 100;
    return check;
  }

  static constexpr Screen kPipe{false, 80};
  static constexpr Screen kTerminal{true, 80};
};

TEST_F(VerifyProgressTest, ATerminalLineIsRewrittenInPlace) {
  VerifyProgress progress(kTerminal);
  EXPECT_EQ(progress.take(check(0), milliseconds(5)), State::kRunning);
  EXPECT_EQ(progress.line(), "\r0.0%  0 B of 400 MB\x1b[K");
  EXPECT_EQ(progress.take(check(100'000'000, 2), milliseconds(2005)), State::kRunning);
  EXPECT_EQ(progress.line(), "\r25.0%  100 MB of 400 MB, 50.0 MB/s, 6.0s left, 2 bad\x1b[K");
}

TEST_F(VerifyProgressTest, TheRateCountsFromTheFirstLook) {
  VerifyProgress progress(kTerminal);
  // The check had reached 200 MB before the first look.
  ASSERT_EQ(progress.take(check(200'000'000), seconds(10)), State::kRunning);
  ASSERT_EQ(progress.take(check(300'000'000), seconds(20)), State::kRunning);
  EXPECT_NE(progress.line().find("10.0 MB/s, 10s left"), std::string::npos);
}

TEST_F(VerifyProgressTest, ANarrowTerminalGetsACutLine) {
  VerifyProgress progress({true, 9});
  ASSERT_EQ(progress.take(check(0), milliseconds(0)), State::kRunning);
  EXPECT_EQ(progress.line(), "\r0.0%  0 \x1b[K");
}

TEST_F(VerifyProgressTest, APipeGetsALineEveryTenSeconds) {
  VerifyProgress progress(kPipe);
  std::string lines;
  for (milliseconds now{0}; now <= seconds(25); now += milliseconds(500)) {
    const auto bytes = static_cast<std::uint64_t>(now.count()) * 10'000;
    ASSERT_EQ(progress.take(check(bytes), now), State::kRunning);
    lines += progress.line();
  }
  EXPECT_EQ(lines,
            "25.0%  100 MB of 400 MB, 10.0 MB/s, 30s left\n"
            "50.0%  200 MB of 400 MB, 10.0 MB/s, 20s left\n");
  EXPECT_EQ(progress.clear(), "");
}

TEST_F(VerifyProgressTest, TheShareNeverExceedsAll) {
  VerifyProgress progress(kTerminal);
  ASSERT_EQ(progress.take(check(500'000'000), seconds(1)), State::kRunning);
  EXPECT_EQ(progress.line(), "\r100.0%  500 MB of 500 MB\x1b[K");
}

TEST_F(VerifyProgressTest, TheVerdictSaysThatAllIsGood) {
  VerifyProgress progress(kPipe);
  EXPECT_EQ(progress.take(check(400'000'000, 0, false), seconds(1)), State::kDone);
  EXPECT_TRUE(progress.all_good());
  EXPECT_EQ(progress.verdict(), "400 blobs, 400 MB, all good\n");
}

TEST_F(VerifyProgressTest, TheVerdictSaysWhatHappensToBadBlobs) {
  VerifyProgress progress(kPipe);
  EXPECT_EQ(progress.take(check(1'000'000, 1, false), seconds(1)), State::kDone);
  EXPECT_FALSE(progress.all_good());
  EXPECT_EQ(progress.verdict(),
            "1 blob, 1.0 MB, 1 bad\n"
            "Bad blobs were set aside; the next pull fetches them again.\n");
}

TEST_F(VerifyProgressTest, ARestartedDaemonHasLostTheCheck) {
  VerifyProgress progress(kPipe);
  ASSERT_EQ(progress.take(check(0), seconds(1)), State::kRunning);
  Check later = check(0, 0, false);
  later.daemon_uptime_seconds = 1;
  EXPECT_EQ(progress.take(later, seconds(2)), State::kLost);
}

TEST_F(VerifyProgressTest, AFallingCountIsAnotherCheck) {
  VerifyProgress progress(kPipe);
  ASSERT_EQ(progress.take(check(9'000'000), seconds(1)), State::kRunning);
  EXPECT_EQ(progress.take(check(1'000'000, 0, false), seconds(2)), State::kLost);
}

TEST_F(VerifyProgressTest, FiguresAreReadFromStats) {
  const Result<Check> check = read_check(R"({"uptime_seconds": 7, "store": {"blob_bytes": 9},
    "scrub": {"running": true, "on_demand": true, "checked_blobs": 1, "checked_bytes": 2,
              "bad_blobs": 3}})");
  ASSERT_TRUE(check.ok());
  EXPECT_TRUE(check->running);
  EXPECT_EQ(check->checked_blobs, 1U);
  EXPECT_EQ(check->checked_bytes, 2U);
  EXPECT_EQ(check->bad_blobs, 3U);
  EXPECT_EQ(check->stored_bytes, 9U);
  EXPECT_EQ(check->daemon_uptime_seconds, 7U);
}

TEST_F(VerifyProgressTest, TheBackgroundCheckIsNotACheckOnDemand) {
  const Result<Check> check = read_check(R"({"scrub": {"running": true, "on_demand": false}})");
  ASSERT_TRUE(check.ok());
  EXPECT_FALSE(check->running);
}

TEST_F(VerifyProgressTest, StatsWithoutACheckAreRefused) {
  EXPECT_FALSE(read_check("{}").ok());
  EXPECT_FALSE(read_check("<html>").ok());
}

}  // namespace
}  // namespace layby::cli
