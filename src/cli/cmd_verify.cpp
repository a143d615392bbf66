// SPDX-License-Identifier: Apache-2.0
//
// `layby verify`: starts the daemon's check of all stored blobs against their digests, and follows
// the check. The daemon does the work, so Ctrl-C in this command does not stop the check.

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/daemon_options.h"
#include "cli/deferred_interrupt.h"
#include "cli/screen.h"
#include "cli/verify_progress.h"

namespace layby::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLookAtCheckEvery{500};

struct VerifyOptions {
  DaemonOptions daemon;
  bool detach = false;
};

class CheckFollower {
 public:
  CheckFollower(const std::string& socket, bool as_json) : socket_(socket), as_json_(as_json) {}

  int follow(const DeferredInterrupt& interrupt) {
    const auto began = steady_clock::now();
    while (true) {
      const Result<Check> check = look();
      if (!check) return stop(check.error());
      const auto elapsed = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began);
      switch (progress_.take(*check, elapsed)) {
        case VerifyProgress::State::kDone:
          return end();
        case VerifyProgress::State::kLost:
          return stop({ErrorCode::kCancelled,
                       "the check was lost: the daemon was restarted or another check began; "
                       "run `layby verify` again"});
        case VerifyProgress::State::kRunning:
          break;
      }
      show(progress_.line());
      if (interrupt.comes_within(kLookAtCheckEvery)) return leave();
    }
  }

 private:
  Result<Check> look() const {
    const Result<std::string> stats = ask_daemon(socket_, "/stats");
    if (!stats) return stats.error();
    return read_check(*stats);
  }

  void show(const std::string& text) const {
    if (!as_json_) std::cout << text << std::flush;
  }

  int stop(const Error& error) const {
    show(progress_.clear());
    return fail(error);
  }

  int leave() const {
    show(progress_.clear());
    complain("the check goes on in the daemon; `layby status` shows its progress");
    return kFailed;
  }

  int end() const {
    show(progress_.clear() + progress_.verdict());
    if (as_json_) print_answer(progress_.json());
    return progress_.all_good() ? kFine : kFailed;
  }

  const std::string& socket_;
  const bool as_json_;
  VerifyProgress progress_{screen_of_stdout()};
};

int verify(const VerifyOptions& options) {
  const std::optional<std::string> socket = socket_of(options.daemon);
  if (!socket) return kMisused;
  const DeferredInterrupt interrupt;
  const Result<std::string> answer = tell_daemon(*socket, "/verify");
  if (!answer) return fail(answer.error());
  if (!options.detach) return CheckFollower(*socket, options.daemon.json).follow(interrupt);
  if (options.daemon.json) {
    print_answer(*answer);
  } else {
    std::cout << "the check has begun; `layby status` shows its progress\n";
  }
  return kFine;
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("verify", "Check all stored blobs against their digests, now");
  const auto options = std::make_shared<VerifyOptions>();
  add_daemon_options(*command, options->daemon,
                     "Print the daemon's figures of the check after its end");
  command->add_flag("--detach", options->detach, "Start the check and don't wait for its end");
  command->callback([options, &exit_code] { exit_code = verify(*options); });
}

}  // namespace layby::cli
