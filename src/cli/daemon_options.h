// SPDX-License-Identifier: Apache-2.0
//
// What every command that talks to the daemon takes, and how it reports failure.

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

// Adds --socket, --config and --json; gives the last, for what it excludes. `options`
// outlives the parser.
CLI::Option* add_daemon_options(CLI::App& command, DaemonOptions& options,
                                const std::string& json_help);

// The daemon's socket; nullopt when the configuration that names it has faults, which
// are then on stderr (the exit code is kMisused).
std::optional<std::string> socket_of(const DaemonOptions& options);

// What the daemon said, as it is but with a line's end, to stdout.
void print_answer(const std::string& body);

// Says on stderr what failed, about what if that is named, and how to start a daemon
// where there is none. Gives kFailed.
int fail(const Error& error, const std::string& what = "");

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_DAEMON_OPTIONS_H_
