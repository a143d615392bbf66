// SPDX-License-Identifier: Apache-2.0
//
// The built program's `prefetch` against a daemon that the test plays.

#include <atomic>
#include <csignal>

#include "cli/prefetch_json.h"
#include "cli/program.h"

namespace layby::cli {
namespace {

class PrefetchTest : public ProgramTest {
 protected:
  static std::string ok(const std::string& body) { return http("200 OK", body); }

  // Accepts the order for a run as run 7, reports the run once as running, and then gives `end`.
  PlayedDaemon::Answer runs_to(const std::string& end) {
    return [this, end](const Asked& asked) {
      if (asked.line == "POST /prefetch") return http("202 Accepted", R"({"run": 7})");
      return ok(++looks_ == 1 ? running_json(0, 5000, true, image_json("a:1", "fetching", 0, 5000))
                              : end);
    };
  }

  // Refuses the order for a run; GET /prefetch gives `look`, which says why.
  static PlayedDaemon::Answer refuses(const std::string& look) {
    return [look](const Asked& asked) {
      if (asked.line == "GET /prefetch") return ok(look);
      return http("409 Conflict", R"({"error": "there is no list at /l.json"})");
    };
  }

  Outcome prefetch(const std::string& arguments = "") const {
    return run("prefetch --socket " + socket() + " " + arguments);
  }

  std::atomic<int> looks_{0};
  const std::string done_ = ended_json("done", 5000, image_json("a:1", "done", 5000, 5000));
};

TEST_F(PrefetchTest, ARunIsFollowedToItsEnd) {
  PlayedDaemon daemon(socket(), runs_to(done_));
  const Outcome outcome = prefetch();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output, "a:1: done, 5.0 kB\n1 done; 5.0 kB fetched, 2 pulls\n");
  EXPECT_EQ(daemon.asked(),
            (std::vector<std::string>{"POST /prefetch", "GET /prefetch", "GET /prefetch"}));
}

TEST_F(PrefetchTest, AFailedImageFailsTheCommand) {
  const PlayedDaemon daemon(
      socket(), runs_to(ended_json("done", 0, image_json("a:1", "failed", 0, 0, "no tag"))));
  const Outcome outcome = prefetch();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(says(outcome, "a:1: failed: no tag\n1 failed; nothing was fetched"))
      << outcome.output;
}

TEST_F(PrefetchTest, AStoppedRunFailsTheCommand) {
  const PlayedDaemon daemon(socket(),
                            runs_to(ended_json("stopped", 0, image_json("a:1", "stopped"))));
  const Outcome outcome = prefetch();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(says(outcome, "stopped: 1 stopped")) << outcome.output;
}

TEST_F(PrefetchTest, JsonIsTheLastAnswer) {
  const PlayedDaemon daemon(socket(), runs_to(done_));
  const Outcome outcome = prefetch("--json");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output, done_ + "\n");
}

TEST_F(PrefetchTest, DetachStartsTheRunAndReturns) {
  PlayedDaemon daemon(socket(), runs_to(done_));
  const Outcome outcome = prefetch("--detach");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(says(outcome, "`layby status` shows")) << outcome.output;
  EXPECT_EQ(daemon.asked(), std::vector<std::string>{"POST /prefetch"});
}

TEST_F(PrefetchTest, JsonOfADetachedRunIsTheFirstAnswer) {
  const PlayedDaemon daemon(socket(), runs_to(done_));
  EXPECT_EQ(prefetch("--detach --json").output,
            running_json(0, 5000, true, image_json("a:1", "fetching", 0, 5000)) + "\n");
}

TEST_F(PrefetchTest, AnInterruptStopsTheRun) {
  PlayedDaemon daemon(socket(), [](const Asked& asked) {
    if (asked.line == "POST /prefetch") return http("202 Accepted", R"({"run": 7})");
    if (asked.line == "POST /prefetch?stop=1") return ok(R"({"run": 7})");
    EXPECT_EQ(::kill(asked.pid, SIGINT), 0);
    return ok(running_json(0, 5000, true, ""));
  });
  const Outcome outcome = prefetch();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output,
            "layby: stopped; fetched data is kept, and the next run continues from there\n");
  EXPECT_EQ(daemon.asked(),
            (std::vector<std::string>{"POST /prefetch", "GET /prefetch", "POST /prefetch?stop=1"}));
}

TEST_F(PrefetchTest, ARunForgottenByTheDaemonFailsTheCommand) {
  const PlayedDaemon daemon(socket(), runs_to(R"({"state": "idle", "run": 0})"));
  const Outcome outcome = prefetch();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(says(outcome, "the end of run 7 is not known")) << outcome.output;
}

TEST_F(PrefetchTest, AListWithFaultsIsReportedWhole) {
  const std::string faults = R"({"state": "off", "list": "/l.json", "faults": [
      {"line": 5, "path": "images[0].tags[1]", "message": "is no tag"},
      {"line": 9, "path": "images[1]", "message": "stands here twice"}]})";
  const PlayedDaemon daemon(socket(), refuses(faults));
  for (const char* arguments : {"", "--plan"}) {
    const Outcome outcome = prefetch(arguments);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.output,
              "layby: /l.json has 2 faults:\n"
              "  line 5, images[0].tags[1]: is no tag\n"
              "  line 9, images[1]: stands here twice\n");
  }
}

TEST_F(PrefetchTest, AMissingListIsReported) {
  const PlayedDaemon daemon(socket(), refuses(R"({"state": "off"})"));
  const Outcome outcome = prefetch();
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.output, "layby: there is no list at /l.json\n");
}

TEST_F(PrefetchTest, ADaemonWithoutPrefetchingIsReported) {
  const PlayedDaemon daemon(socket(), http("404 Not Found", R"({"error": "no such path"})"));
  const Outcome outcome = prefetch();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output, "layby: no such path\n");
}

TEST_F(PrefetchTest, APlanIsShown) {
  PlayedDaemon daemon(socket(), ok(R"({"images": [{"image": "a:1", "state": "new", "pulls": 1,
                                     "bytes": 1000}], "pulls": 1, "bytes": 1000})"));
  const Outcome outcome = prefetch("--plan");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(says(outcome, "1 image, 1 pull, 1.0 kB to fetch\n")) << outcome.output;
  prefetch("--plan --sizes");
  EXPECT_EQ(daemon.asked(),
            (std::vector<std::string>{"GET /prefetch/plan", "GET /prefetch/plan?sizes=1"}));
}

TEST_F(PrefetchTest, APlanWithAFailedImageFails) {
  const std::string plan = R"({"images": [{"image": "a:1", "state": "failed"}]})";
  const PlayedDaemon daemon(socket(), ok(plan));
  const Outcome outcome = prefetch("--plan --json");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output, plan + "\n");
}

TEST_F(PrefetchTest, StopStopsTheRun) {
  PlayedDaemon daemon(socket(), ok(R"({"run": 7})"));
  const Outcome outcome = prefetch("--stop");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output,
            "stopped; fetched data is kept, and the next run continues from there\n");
  EXPECT_EQ(daemon.asked(), std::vector<std::string>{"POST /prefetch?stop=1"});
}

TEST_F(PrefetchTest, OptionsThatContradictEachOtherAreMisuse) {
  for (const char* arguments : {"--plan --stop", "--plan --detach", "--stop --detach", "--sizes"}) {
    EXPECT_EQ(prefetch(arguments).exit_code, 2) << arguments;
  }
}

TEST_F(PrefetchTest, ATerminalSeesTheLinesRewritten) {
  const PlayedDaemon daemon(socket(),
                            runs_to(ended_json("done", 5000,
                                               image_json("a:1", "done", 5000, 5000) + "," +
                                                   image_json("b:2", "failed", 0, 0, "no tag"))));
  const Outcome outcome = run_on_terminal({"prefetch", "--socket", socket()});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output,
            "\ra:1  [----------------]  0 B of 5.0 kB       fetching\x1b[K\r\n"
            "[--------------------] 0.0%  0 B of 5.0 kB\x1b[K\r\n\x1b[J"
            "\r\x1b[2Ab:2  failed: no tag\x1b[K\r\n"
            "1 done, 1 failed\x1b[K\r\n"
            "[####################] 100.0%  5.0 kB of 5.0 kB\x1b[K\r\n\x1b[J"
            "\r\x1b[3A\x1b[Jb:2: failed: no tag\r\n"
            "1 done, 1 failed; 5.0 kB fetched, 2 pulls\r\n");
}

}  // namespace
}  // namespace layby::cli
