// SPDX-License-Identifier: Apache-2.0
//
// The built program's `verify` against a daemon that the test plays.

#include <atomic>
#include <csignal>

#include "cli/program.h"

namespace layby::cli {
namespace {

class VerifyTest : public ProgramTest {
 protected:
  // Four blobs of 1000 bytes are stored.
  static std::string stats(bool running, int checked_blobs, int bad_blobs) {
    const std::string body =
        R"({"uptime_seconds": 9, "store": {"blobs": 4, "blob_bytes": 4000}, "scrub": {)"
        R"("running": )" +
        std::string(running ? "true" : "false") + R"(, "on_demand": true, "checked_blobs": )" +
        std::to_string(checked_blobs) + R"(, "checked_bytes": )" +
        std::to_string(checked_blobs * 1000) + R"(, "bad_blobs": )" + std::to_string(bad_blobs) +
        R"(, "last_pass_seconds": 3}})";
    return http("200 OK", body);
  }

  // Starts a check, and reports the check twice as running, then as ended.
  PlayedDaemon::Answer checks_with(int bad_blobs) {
    return [this, bad_blobs](const Asked& asked) {
      if (asked.line == "POST /verify") return http("202 Accepted", "{}");
      const int look = ++looks_;
      return look < 3 ? stats(true, look, 0) : stats(false, 4, bad_blobs);
    };
  }

  std::atomic<int> looks_{0};
};

TEST_F(VerifyTest, ACheckIsFollowedToItsEnd) {
  PlayedDaemon daemon(socket(), checks_with(0));
  const Outcome outcome = run("verify --socket " + socket());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output, "4 blobs, 4.0 kB, all good\n");
  EXPECT_EQ(daemon.asked(),
            (std::vector<std::string>{"POST /verify", "GET /stats", "GET /stats", "GET /stats"}));
}

TEST_F(VerifyTest, BadBlobsFailTheCommand) {
  const PlayedDaemon daemon(socket(), checks_with(2));
  const Outcome outcome = run("verify --socket " + socket());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(says(outcome, "4 blobs, 4.0 kB, 2 bad\nBad blobs were set aside")) << outcome.output;
}

TEST_F(VerifyTest, JsonHasTheFiguresOfTheCheck) {
  const PlayedDaemon daemon(socket(), checks_with(2));
  const Outcome outcome = run("verify --json --socket " + socket());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output,
            R"({"bad_blobs":2,"checked_blobs":4,"checked_bytes":4000,"last_pass_seconds":3,)"
            R"("on_demand":true,"running":false})"
            "\n");
}

TEST_F(VerifyTest, DetachStartsTheCheckAndReturns) {
  PlayedDaemon daemon(socket(), checks_with(0));
  const Outcome outcome = run("verify --detach --socket " + socket());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(says(outcome, "the check has begun")) << outcome.output;
  EXPECT_EQ(daemon.asked(), std::vector<std::string>{"POST /verify"});
}

TEST_F(VerifyTest, AnInterruptLeavesTheCheckToTheDaemon) {
  const PlayedDaemon daemon(socket(), [](const Asked& asked) {
    if (asked.line == "POST /verify") return http("202 Accepted", "{}");
    EXPECT_EQ(::kill(asked.pid, SIGINT), 0);
    return stats(true, 1, 0);
  });
  const Outcome outcome = run("verify --socket " + socket());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(says(outcome, "the check goes on in the daemon")) << outcome.output;
}

TEST_F(VerifyTest, ACheckForgottenByTheDaemonFailsTheCommand) {
  const PlayedDaemon daemon(socket(), [this](const Asked& asked) {
    if (asked.line == "POST /verify") return http("202 Accepted", "{}");
    return ++looks_ == 1 ? stats(true, 2, 0) : stats(false, 0, 0);
  });
  const Outcome outcome = run("verify --socket " + socket());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(says(outcome, "run `layby verify` again")) << outcome.output;
}

TEST_F(VerifyTest, ARefusalIsReported) {
  const PlayedDaemon daemon(socket(), http("503 Service Unavailable", R"({"error": "not now"})"));
  const Outcome outcome = run("verify --socket " + socket());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output, "layby: not now\n");
}

TEST_F(VerifyTest, ATerminalSeesTheLineRewritten) {
  const PlayedDaemon daemon(socket(), checks_with(0));
  const Outcome outcome = run_on_terminal({"verify", "--socket", socket()});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output,
            "\r25.0%  1.0 kB of 4.0 kB\x1b[K"
            "\r50.0%  2.0 kB of 4.0 kB\x1b[K"
            "\r\x1b[K4 blobs, 4.0 kB, all good\r\n");
}

}  // namespace
}  // namespace layby::cli
