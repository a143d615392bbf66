// SPDX-License-Identifier: Apache-2.0
//
// The built program: its arguments, its configuration, and `layby status`.

#include "cli/program.h"

namespace layby::cli {
namespace {

class LaybyProgramTest : public ProgramTest {};

TEST_F(LaybyProgramTest, AGoodConfigurationPasses) {
  const Outcome outcome = run("config check " + write("{/**/}"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_NE(outcome.output.find("is fine"), std::string::npos);
}

TEST_F(LaybyProgramTest, AFaultyConfigurationIsReportedWhole) {
  const std::string file = write(R"({"lissten": 1, "tags": {"fresh_for": 60}})");
  for (const char* command : {"config check --config ", "serve --config ", "status --config "}) {
    const Outcome outcome = run(command + file);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.output;
    EXPECT_NE(outcome.output.find("has 2 faults:"), std::string::npos) << outcome.output;
    EXPECT_NE(outcome.output.find("  line 1, lissten: is not a key"), std::string::npos);
    EXPECT_NE(outcome.output.find("  line 1, tags.fresh_for: must be a duration"),
              std::string::npos);
  }
}

TEST_F(LaybyProgramTest, TheConfigurationInEffectIsShown) {
  const Outcome outcome = run("config show --config " + write(R"({"listen": "127.0.0.1:7"})"));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_NE(outcome.output.find("\"listen\": \"127.0.0.1:7\""), std::string::npos);
  EXPECT_NE(outcome.output.find("\"fresh_for\": \"60s\""), std::string::npos);
}

TEST_F(LaybyProgramTest, WrongArgumentsAreMisuse) {
  for (const char* arguments : {"", "no-such-verb", "serve --no-such-option", "config"}) {
    EXPECT_EQ(run(arguments).exit_code, 2) << arguments;
  }
}

TEST_F(LaybyProgramTest, HelpAndVersionAreFine) {
  EXPECT_EQ(run("--help").exit_code, 0);
  EXPECT_EQ(run("serve --help").exit_code, 0);
  EXPECT_EQ(run("--version").output, "layby " + run("version").output);
}

TEST_F(LaybyProgramTest, StatusWithoutADaemonSaysHowToStartOne) {
  const Outcome outcome = run("status --socket " + socket());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.output.find(socket()), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("layby serve"), std::string::npos) << outcome.output;
}

TEST_F(LaybyProgramTest, StatusShowsTheDaemonsFigures) {
  PlayedDaemon daemon(socket(), http("200 OK", R"({"version": "9.9.9"})"));
  ASSERT_TRUE(daemon.listening());
  const Outcome outcome = run("status --config " + write(R"({"socket": ")" + socket() + "\"}"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_NE(outcome.output.find("Layby 9.9.9"), std::string::npos) << outcome.output;
  EXPECT_EQ(daemon.asked(), std::vector<std::string>{"GET /stats"});
}

TEST_F(LaybyProgramTest, StatusPrintsTheJsonUnchanged) {
  const PlayedDaemon daemon(socket(), http("200 OK", "{\"version\":\"9.9.9\"}\n"));
  EXPECT_EQ(run("status --json --socket " + socket()).output, "{\"version\":\"9.9.9\"}\n");
}

TEST_F(LaybyProgramTest, StatusFailsWhenAnotherProgramListens) {
  const PlayedDaemon other(socket(), http("404 Not Found", "no"));
  const Outcome outcome = run("status --socket " + socket());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.output.find("answered 404"), std::string::npos) << outcome.output;
}

}  // namespace
}  // namespace layby::cli
