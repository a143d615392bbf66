// SPDX-License-Identifier: Apache-2.0
//
// The options of every command that talks to the daemon, and the report of a failure.

#ifndef LAYBY_SRC_CLI_DAEMON_OPTIONS_H_
#define LAYBY_SRC_CLI_DAEMON_OPTIONS_H_

#include <optional>
#include <string>

#include "layby/base/result.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace layby::cli {

struct DaemonOptions {
  std::string socket;
  std::string config;
  bool json = false;
};

// Adds --socket, --config and --json. Returns --json, so that the caller can exclude other
// options. `options` outlives the parser.
CLI::Option* add_daemon_options(CLI::App& command, DaemonOptions& options,
                                const std::string& json_help);

// The daemon's socket. nullopt when the configuration that names the socket has faults: the
// faults are then on stderr, and the exit code is kMisused.
std::optional<std::string> socket_of(const DaemonOptions& options);

// Prints the daemon's answer to stdout, unchanged except for a final line break.
void print_answer(const std::string& body);

// Prints `error` to stderr, after `what` unless that is empty, and how to start a daemon
// when no daemon answered. Returns kFailed.
int fail(const Error& error, const std::string& what = "");

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_DAEMON_OPTIONS_H_
