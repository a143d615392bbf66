// SPDX-License-Identifier: Apache-2.0
//
// Runs the built program as a user does, against a thread that plays the daemon on the
// Unix socket.

#ifndef LAYBY_TESTS_CLI_PROGRAM_H_
#define LAYBY_TESTS_CLI_PROGRAM_H_

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "layby/base/fd.h"
#include "support/temp_dir.h"

namespace layby::cli {

// One request from the program; `pid` is the program's process.
struct Asked {
  std::string line;  // "GET /stats"
  pid_t pid = 0;
};

// Until its destruction, answers one request on each connection, one connection at a time.
class PlayedDaemon {
 public:
  using Answer = std::function<std::string(const Asked&)>;

  PlayedDaemon(const std::string& path, Answer answer) : answer_(std::move(answer)) {
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    listening_ =
        ::bind(listener_.get(), generic, sizeof address) == 0 && ::listen(listener_.get(), 8) == 0;
    thread_ = std::thread([this] {
      while (serve_one()) {
      }
    });
  }
  // Gives the same answer to every request.
  PlayedDaemon(const std::string& path, std::string answer)
      : PlayedDaemon(path, [answer = std::move(answer)](const Asked&) { return answer; }) {}
  PlayedDaemon(const PlayedDaemon&) = delete;
  PlayedDaemon& operator=(const PlayedDaemon&) = delete;
  ~PlayedDaemon() { stop(); }

  bool listening() const { return listening_; }

  // Ends the thread and returns all requests in order. Call after the program has ended.
  std::vector<std::string> asked() {
    stop();
    return asked_;
  }

 private:
  void stop() {
    ::shutdown(listener_.get(), SHUT_RDWR);  // Ends a pending accept().
    if (thread_.joinable()) thread_.join();
  }

  // Returns false after the listener was shut down.
  bool serve_one() {
    const UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer) return false;
    std::string request;
    std::array<char, 1024> buffer{};
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::read(peer.get(), buffer.data(), buffer.size());
      if (got <= 0) return true;
      request.append(buffer.data(), static_cast<std::size_t>(got));
    }
    asked_.push_back(request.substr(0, request.find(" HTTP/1.1\r\n")));
    const std::string answer = answer_({asked_.back(), pid_of(peer.get())});
    const ssize_t sent = ::write(peer.get(), answer.data(), answer.size());
    EXPECT_EQ(sent, static_cast<ssize_t>(answer.size()));
    return true;
  }

  static pid_t pid_of(int peer) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    const int got = ::getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
    return got == 0 ? credentials.pid : 0;
  }

  Answer answer_;
  std::vector<std::string> asked_;  // Only the thread uses asked_ until the thread has ended.
  UniqueFd listener_;
  bool listening_ = false;
  std::thread thread_;
};

struct Outcome {
  int exit_code = -1;
  std::string output;  // stdout and stderr
};

class ProgramTest : public ::testing::Test {
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

  // Runs the program on a terminal of 24 rows and 80 columns.
  static Outcome run_on_terminal(std::vector<std::string> arguments) {
    winsize size{};
    size.ws_row = 24;
    size.ws_col = 80;
    std::string name = "layby";
    std::vector<char*> argv{name.data()};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
    if (child == 0) {
      ::execv(LAYBY_BINARY, argv.data());
      ::_exit(127);
    }
    if (child < 0) return {};
    const UniqueFd screen(terminal);
    Outcome outcome;
    std::array<char, 4096> buffer{};
    // After the program has ended, read() fails with EIO instead of returning 0.
    while (true) {
      const ssize_t got = ::read(screen.get(), buffer.data(), buffer.size());
      if (got <= 0) break;
      outcome.output.append(buffer.data(), static_cast<std::size_t>(got));
    }
    int status = 0;
    const bool ended = ::waitpid(child, &status, 0) == child && WIFEXITED(status);
    outcome.exit_code = ended ? WEXITSTATUS(status) : -1;
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

  static bool says(const Outcome& outcome, const std::string& words) {
    return outcome.output.find(words) != std::string::npos;
  }

  testing::TempDir folder_;
};

}  // namespace layby::cli

#endif  // LAYBY_TESTS_CLI_PROGRAM_H_
