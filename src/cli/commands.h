// SPDX-License-Identifier: Apache-2.0
//
// The commands, and the functions that they share. Each add_ function adds one command to
// the parser; the command's callback stores the exit code for run().

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
void add_check(CLI::App& app, int& exit_code);
void add_status(CLI::App& app, int& exit_code);
void add_ls(CLI::App& app, int& exit_code);
void add_pin(CLI::App& app, int& exit_code);
void add_unpin(CLI::App& app, int& exit_code);
void add_evict(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_prefetch(CLI::App& app, int& exit_code);
void add_drain(CLI::App& app, int& exit_code);
void add_events(CLI::App& app, int& exit_code);
void add_firmware(CLI::App& app, int& exit_code);
void add_version(CLI::App& app, int& exit_code);

// Reads the configuration in `path`. With an empty `path`, reads /etc/layby/layby.json, or returns
// the defaults if that file doesn't exist. If the file has faults, prints all faults to stderr and
// returns nullopt.
std::optional<app::Config> read_config(const std::string& path);

// Prints "FILE has 2 faults:" and a line for each fault to stderr.
void complain_of(const std::string& file, const std::vector<app::ConfigFault>& faults);

// Prints one sentence to stderr, after the program's name.
void complain(const std::string& sentence);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_COMMANDS_H_
