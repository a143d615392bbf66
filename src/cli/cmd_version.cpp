// SPDX-License-Identifier: Apache-2.0
//
// `layby version`: the version, alone on a line for scripts.

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/commands.h"
#include "layby/app/version.h"

namespace layby::cli {

void add_version(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("version", "Print the version");
  command->callback([&exit_code] {
    std::cout << app::version() << "\n";
    exit_code = kFine;
  });
}

}  // namespace layby::cli
