// SPDX-License-Identifier: Apache-2.0
//
// The built program, run as a user runs it. What it asks on the Unix socket is
// answered by a thread of the test.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "layby/base/fd.h"
#include "support/temp_dir.h"

namespace layby::cli {
namespace {

struct Outcome {
  int exit_code = -1;
  std::string output;  // stdout and stderr
};

// Takes one connection, reads one request head, gives one answer.
class OneAnswer {
 public:
  OneAnswer(const std::string& path, std::string answer) : answer_(std::move(answer)) {
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    listening_ =
        ::bind(listener_.get(), generic, sizeof address) == 0 && ::listen(listener_.get(), 1) == 0;
    thread_ = std::thread([this] { serve(); });
  }
  ~OneAnswer() {
    ::shutdown(listener_.get(), SHUT_RDWR);  // Ends an accept that nobody came to.
    thread_.join();
  }

  bool listening() const { return listening_; }

 private:
  void serve() {
    const UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string request;
    std::array<char, 1024> buffer{};
    while (peer && request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::read(peer.get(), buffer.data(), buffer.size());
      if (got <= 0) return;
      request.append(buffer.data(), static_cast<std::size_t>(got));
    }
    if (!peer || !request.starts_with("GET /stats HTTP/1.1\r\n")) return;
    const ssize_t sent = ::write(peer.get(), answer_.data(), answer_.size());
    EXPECT_EQ(sent, static_cast<ssize_t>(answer_.size()));
  }

  std::string answer_;
  UniqueFd listener_;
  bool listening_ = false;
  std::thread thread_;
};

class LaybyProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static Outcome run(const std::string& arguments) {
    const std::string command = std::string(LAYBY_BINARY) + " " + arguments + " 2>&1";
    std::FILE* pipe = ::popen(command.c_str(), "re");
    if (pipe == nullptr) return {};
    Outcome outcome;
    std::array<char, 4096> buffer{};
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
      outcome.output.append(buffer.data(), got);
    }
    const int status = ::pclose(pipe);
    outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return outcome;
  }

  std::string write(const std::string& text) const {
    const std::string path = folder_.path() + "/layby.json";
    std::ofstream(path) << text;
    return path;
  }
  std::string socket() const { return folder_.path() + "/s"; }

  static std::string http(const std::string& status, const std::string& body) {
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\n\r\n" + body;
  }

  testing::TempDir folder_;
};

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
    EXPECT_NE(outcome.output.find("  lissten: is not a key"), std::string::npos);
    EXPECT_NE(outcome.output.find("  tags.fresh_for: must be a duration"), std::string::npos);
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

TEST_F(LaybyProgramTest, StatusShowsWhatTheDaemonSays) {
  const OneAnswer daemon(socket(), http("200 OK", R"({"version": "9.9.9"})"));
  ASSERT_TRUE(daemon.listening());
  const Outcome outcome = run("status --config " + write(R"({"socket": ")" + socket() + "\"}"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_NE(outcome.output.find("Layby 9.9.9"), std::string::npos) << outcome.output;
}

TEST_F(LaybyProgramTest, StatusGivesTheJsonAsItIs) {
  const OneAnswer daemon(socket(), http("200 OK", "{\"version\":\"9.9.9\"}\n"));
  EXPECT_EQ(run("status --json --socket " + socket()).output, "{\"version\":\"9.9.9\"}\n");
}

TEST_F(LaybyProgramTest, StatusFailsWhereSomethingElseListens) {
  const OneAnswer other(socket(), http("404 Not Found", "no"));
  const Outcome outcome = run("status --socket " + socket());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.output.find("answered 404"), std::string::npos) << outcome.output;
}

}  // namespace
}  // namespace layby::cli
