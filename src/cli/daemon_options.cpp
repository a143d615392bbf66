// SPDX-License-Identifier: Apache-2.0
//
// --socket and --config exclude each other. With --socket, no configuration is read.

#include "cli/daemon_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/commands.h"
#include "layby/base/log.h"

namespace layby::cli {

CLI::Option* add_daemon_options(CLI::App& command, DaemonOptions& options,
                                const std::string& json_help) {
  CLI::Option* socket = command.add_option("--socket", options.socket, "The daemon's Unix socket");
  command
      .add_option("--config", options.config,
                  "The daemon's configuration file, which names its socket")
      ->excludes(socket);
  return command.add_flag("--json", options.json, json_help);
}

std::optional<std::string> socket_of(const DaemonOptions& options) {
  if (!options.socket.empty()) return options.socket;
  const std::optional<app::Config> config = read_config(options.config);
  if (!config) return std::nullopt;
  return config->socket;
}

void print_answer(const std::string& body) {
  std::cout << body << (body.ends_with('\n') ? "" : "\n");
}

int fail(const Error& error, const std::string& what) {
  complain(what.empty() ? error.message
                        : fmt::format("{}: {}", log::printable(what), error.message));
  if (error.code == ErrorCode::kUnavailable) {
    std::cerr << "  Start one with `layby serve`, or name its socket with --socket or --config.\n";
  }
  return kFailed;
}

}  // namespace layby::cli
