// SPDX-License-Identifier: Apache-2.0
//
// `layby status`: how the daemon is doing, asked over its Unix socket.

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/status_page.h"
#include "layby/admin/snapshot.h"

namespace layby::cli {
namespace {

struct StatusOptions {
  std::string socket;
  std::string config;
  bool json = false;
  bool reference = false;
};

Screen screen_of_stdout() {
  Screen screen;
  screen.is_terminal = ::isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    screen.columns = size.ws_col;
  }
  return screen;
}

int fail(const Error& error) {
  complain(error.message);
  if (error.code == ErrorCode::kUnavailable) {
    std::cerr << "  Start one with `layby serve`, or name its socket with --socket or --config.\n";
  }
  return kFailed;
}

int show_status(const std::string& socket, bool as_json) {
  const Result<std::string> stats = ask_daemon(socket, "/stats");
  if (!stats) return fail(stats.error());
  if (as_json) {
    std::cout << *stats;
    return kFine;
  }
  const Result<std::string> page = status_page(*stats, screen_of_stdout());
  if (!page) return fail(page.error());
  std::cout << *page;
  return kFine;
}

int status(const StatusOptions& options) {
  if (options.reference) {
    std::cout << admin::stats_reference();
    return kFine;
  }
  if (!options.socket.empty()) return show_status(options.socket, options.json);
  const std::optional<app::Config> config = read_config(options.config);
  return config ? show_status(config->socket, options.json) : kMisused;
}

}  // namespace

void add_status(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("status", "Show how the daemon is doing");
  const auto options = std::make_shared<StatusOptions>();
  CLI::Option* socket =
      command->add_option("--socket", options->socket, "The daemon's Unix socket");
  command
      ->add_option("--config", options->config,
                   "The daemon's configuration file, which names its socket")
      ->excludes(socket);
  command->add_flag("--json", options->json, "Print what GET /stats says, as it is");
  command->add_flag("--reference", options->reference, "Print docs/stats.md: all figures");
  command->callback([options, &exit_code] { exit_code = status(*options); });
}

}  // namespace layby::cli
