// SPDX-License-Identifier: Apache-2.0
//
// `layby config check|show|reference|schema`: checks or shows a configuration, and describes the
// keys of configurations.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "layby/app/prefetch_list.h"

namespace layby::cli {
namespace {

constexpr const char* kFileHelp =
    "Configuration file (default: /etc/layby/layby.json if it exists, else all defaults)";

int check_list(const app::Config& config) {
  const std::string& path = config.prefetch;
  if (path.empty() || ::access(path.c_str(), F_OK) != 0) return kFine;
  app::PrefetchListOutcome outcome = app::load_prefetch_list(path);
  if (outcome.faults.empty()) outcome.faults = app::unserved(outcome.list, config);
  if (outcome.faults.empty()) {
    std::cout << path << " is fine\n";
    return kFine;
  }
  complain_of(path, outcome.faults);
  return kMisused;
}

int check(const std::string& path) {
  const std::optional<app::Config> config = read_config(path);
  if (!config) return kMisused;
  const std::string name = path.empty() ? "the configuration" : path;
  const std::vector<app::ConfigFault> faults = app::check_start(*config, app::CheckedBy::kAnyone);
  if (!faults.empty()) {
    complain_of(name, faults);
    return kMisused;
  }
  std::cout << name << " is fine\n";
  return check_list(*config);
}

int show(const std::string& path) {
  const std::optional<app::Config> config = read_config(path);
  if (!config) return kMisused;
  std::cout << app::config_json(*config);
  return kFine;
}

int print(const std::string& text) {
  std::cout << text;
  return kFine;
}

// A command that reads one file, given with --config or as an argument.
void add_with_file(CLI::App& parent, const char* name, const char* help, int& exit_code,
                   int (*command)(const std::string&)) {
  CLI::App* sub = parent.add_subcommand(name, help);
  const auto path = std::make_shared<std::string>();
  CLI::Option* option = sub->add_option("--config", *path, kFileHelp);
  sub->add_option("file", *path, "The same as --config")->excludes(option);
  sub->callback([path, command, &exit_code] { exit_code = command(*path); });
}

// A text about the configuration, and the same kind of text about the prefetch list.
struct Printed {
  const char* name;
  const char* help;
  std::string (*of_config)();
  std::string (*of_list)();
};

void add_print(CLI::App& parent, const Printed& printed, int& exit_code) {
  CLI::App* sub = parent.add_subcommand(printed.name, printed.help);
  const auto of_list = std::make_shared<bool>(false);
  sub->add_flag("--prefetch", *of_list, "For the prefetch list instead");
  sub->callback([printed, of_list, &exit_code] {
    exit_code = print(*of_list ? printed.of_list() : printed.of_config());
  });
}

}  // namespace

void add_config(CLI::App& app, int& exit_code) {
  CLI::App* config = app.add_subcommand("config", "Check or show a configuration");
  config->require_subcommand(1);
  add_with_file(*config, "check", "Report all faults of a file at once", exit_code, check);
  add_with_file(*config, "show", "Print the configuration in effect, defaults included", exit_code,
                show);
  add_print(*config,
            {"reference", "Print docs/configuration.md: all keys", app::config_reference,
             app::prefetch_list_reference},
            exit_code);
  add_print(
      *config,
      {"schema", "Print a JSON schema of the file", app::config_schema, app::prefetch_list_schema},
      exit_code);
}

}  // namespace layby::cli
