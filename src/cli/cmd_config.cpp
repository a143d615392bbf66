// SPDX-License-Identifier: Apache-2.0
//
// `layby config check|show|reference|schema`: what is in a configuration, and what
// can be.

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "cli/commands.h"

namespace layby::cli {
namespace {

constexpr const char* kFileHelp =
    "Configuration file (without: /etc/layby/layby.json if it is there, else the defaults)";

int check(const std::string& path) {
  if (!read_config(path)) return kMisused;
  std::cout << (path.empty() ? "the configuration" : path) << " is fine\n";
  return kFine;
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

// A command that reads a file, named by --config or given by itself.
void add_with_file(CLI::App& parent, const char* name, const char* help, int& exit_code,
                   int (*command)(const std::string&)) {
  CLI::App* sub = parent.add_subcommand(name, help);
  const auto path = std::make_shared<std::string>();
  CLI::Option* option = sub->add_option("--config", *path, kFileHelp);
  sub->add_option("file", *path, "The same")->excludes(option);
  sub->callback([path, command, &exit_code] { exit_code = command(*path); });
}

}  // namespace

void add_config(CLI::App& app, int& exit_code) {
  CLI::App* config = app.add_subcommand("config", "Check or show a configuration");
  config->require_subcommand(1);
  add_with_file(*config, "check", "Report everything that is wrong with a file, at once", exit_code,
                check);
  add_with_file(*config, "show", "Print the configuration in effect, defaults included", exit_code,
                show);
  config->add_subcommand("reference", "Print docs/configuration.md: all keys")
      ->callback([&exit_code] { exit_code = print(app::config_reference()); });
  config->add_subcommand("schema", "Print a JSON schema of the file")->callback([&exit_code] {
    exit_code = print(app::config_schema());
  });
}

}  // namespace layby::cli
