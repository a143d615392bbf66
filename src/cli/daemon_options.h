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

// Adds --socket, --config and --json. Returns the option --json, so that the caller can forbid
// other options together with --json. `options` outlives the parser.
CLI::Option* add_daemon_options(CLI::App& command, DaemonOptions& options,
                                const std::string& json_help);

// The path of the daemon's socket. If the configuration has faults, prints the faults to stderr and
// returns nullopt; the command's exit code is then kMisused.
std::optional<std::string> socket_of(const DaemonOptions& options);

// Prints the daemon's answer to stdout, unchanged except for a final line break.
void print_answer(const std::string& body);

// Prints `what`, if not empty, and `error` to stderr. When no daemon answered, also prints how to
// start a daemon. Returns kFailed.
int fail(const Error& error, const std::string& what = "");

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_DAEMON_OPTIONS_H_
