// SPDX-License-Identifier: Apache-2.0
//
// `layby events`: the last events that the daemon recorded.

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/daemon_options.h"
#include "cli/event_list.h"
#include "cli/screen.h"

namespace layby::cli {
namespace {

int events(const DaemonOptions& options) {
  const std::optional<std::string> socket = socket_of(options);
  if (!socket) return kMisused;
  const Result<std::string> answer = ask_daemon(*socket, "/events");
  if (!answer) return fail(answer.error());
  if (options.json) {
    print_answer(*answer);
    return kFine;
  }
  const Result<std::string> page = event_list(*answer, screen_of_stdout());
  if (!page) return fail(page.error());
  std::cout << *page;
  return kFine;
}

}  // namespace

void add_events(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("events", "List what happened: the last recorded events");
  const auto options = std::make_shared<DaemonOptions>();
  add_daemon_options(*command, *options, "Print the answer to GET /events unchanged");
  command->callback([options, &exit_code] { exit_code = events(*options); });
}

}  // namespace layby::cli
