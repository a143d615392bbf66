// SPDX-License-Identifier: Apache-2.0
//
// What the commands share: each adds itself to the parser, and its callback leaves
// the exit code where run() reads it.

#ifndef LAYBY_SRC_CLI_COMMANDS_H_
#define LAYBY_SRC_CLI_COMMANDS_H_

#include <optional>
#include <string>
#include <vector>

#include "layby/app/config.h"

namespace CLI {
class App;
}

namespace layby::cli {

inline constexpr int kFine = 0;
inline constexpr int kFailed = 1;
inline constexpr int kMisused = 2;  // Wrong arguments, or a configuration with faults.

// `exit_code` outlives the parser.
void add_serve(CLI::App& app, int& exit_code);
void add_config(CLI::App& app, int& exit_code);
void add_status(CLI::App& app, int& exit_code);
void add_ls(CLI::App& app, int& exit_code);
void add_pin(CLI::App& app, int& exit_code);
void add_unpin(CLI::App& app, int& exit_code);
void add_evict(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_prefetch(CLI::App& app, int& exit_code);
void add_bundle(CLI::App& app, int& exit_code);
void add_version(CLI::App& app, int& exit_code);

// The configuration of `path`, or of /etc/layby/layby.json if `path` is empty and that
// is there, else the defaults. Where it has faults, prints them all to stderr and
// gives nullopt.
std::optional<app::Config> read_config(const std::string& path);

// "FILE has 2 faults:" and a line for each, to stderr.
void complain_of(const std::string& file, const std::vector<app::ConfigFault>& faults);

// One sentence to stderr, with the program's name before it.
void complain(const std::string& sentence);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_COMMANDS_H_
