// SPDX-License-Identifier: Apache-2.0
//
// `layby status`: asks the daemon for its figures, over its Unix socket, and shows them as a page.

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/daemon_options.h"
#include "cli/screen.h"
#include "cli/status_page.h"
#include "layby/admin/snapshot.h"

namespace layby::cli {
namespace {

struct StatusOptions {
  DaemonOptions daemon;
  bool reference = false;
};

int status(const StatusOptions& options) {
  if (options.reference) {
    std::cout << admin::stats_reference();
    return kFine;
  }
  const std::optional<std::string> socket = socket_of(options.daemon);
  if (!socket) return kMisused;
  const Result<std::string> stats = ask_daemon(*socket, "/stats");
  if (!stats) return fail(stats.error());
  if (options.daemon.json) {
    print_answer(*stats);
    return kFine;
  }
  const Result<std::string> page = status_page(*stats, screen_of_stdout());
  if (!page) return fail(page.error());
  std::cout << *page;
  return kFine;
}

}  // namespace

void add_status(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("status", "Show how the daemon is doing");
  const auto options = std::make_shared<StatusOptions>();
  add_daemon_options(*command, options->daemon, "Print the answer to GET /stats unchanged");
  command->add_flag("--reference", options->reference, "Print docs/stats.md: all figures");
  command->callback([options, &exit_code] { exit_code = status(*options); });
}

}  // namespace layby::cli
