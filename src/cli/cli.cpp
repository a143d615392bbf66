// SPDX-License-Identifier: Apache-2.0
//
// The parser of the command line, and the functions that all commands share. CLI11 reports wrong
// usage by an exception. run() turns every exception into an exit code.

#include "layby/cli/cli.h"

#include <fmt/format.h>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/answer.h"
#include "cli/commands.h"
#include "layby/app/version.h"

namespace layby::cli {
namespace {

constexpr const char* kDescription =
    "Layby keeps Docker Hub's images close to the machines that pull them.\n"
    "Start it with `layby serve`, then set it as a registry mirror in daemon.json.";

constexpr const char* kFooter =
    "\nExit codes: 0 success, 1 failure, 2 wrong arguments or a configuration with faults.";

// CLI11 has an exit code for each kind of wrong usage. Layby has the same exit code for all kinds.
int parse(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
    return kFine;
  } catch (const CLI::ParseError& stop) {
    return app.exit(stop) == 0 ? kFine : kMisused;
  }
}

}  // namespace

int run(int argc, const char* const* argv) {
  CLI::App app(kDescription, "layby");
  int exit_code = kFine;
  app.set_version_flag("--version", std::string("layby ") + app::version());
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.footer(kFooter);
  app.require_subcommand(1);
  add_serve(app, exit_code);
  add_status(app, exit_code);
  add_ls(app, exit_code);
  add_pin(app, exit_code);
  add_unpin(app, exit_code);
  add_evict(app, exit_code);
  add_verify(app, exit_code);
  add_prefetch(app, exit_code);
  add_check(app, exit_code);
  add_drain(app, exit_code);
  add_events(app, exit_code);
  add_config(app, exit_code);
  add_firmware(app, exit_code);
  add_version(app, exit_code);
  const int parsed = parse(app, argc, argv);
  return parsed == kFine ? exit_code : parsed;
}

std::optional<app::Config> read_config(const std::string& path) {
  const bool has_default = ::access(app::kConfigPath, F_OK) == 0;
  if (path.empty() && !has_default) return app::Config{};
  const std::string file = path.empty() ? app::kConfigPath : path;
  app::ConfigOutcome outcome = app::load_config(file);
  if (outcome.faults.empty()) return std::move(outcome.config);
  complain_of(file, outcome.faults);
  return std::nullopt;
}

void complain_of(const std::string& file, const std::vector<app::ConfigFault>& faults) {
  complain(fmt::format("{} has {}:", file, how_many(faults.size(), "fault")));
  for (const app::ConfigFault& fault : faults) {
    std::cerr << "  " << app::to_string(fault) << "\n";
  }
}

void complain(const std::string& sentence) { std::cerr << "layby: " << sentence << "\n"; }

}  // namespace layby::cli
