// SPDX-License-Identifier: Apache-2.0
//
// `layby serve`: the daemon, in the foreground.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "layby/app/daemon.h"
#include "layby/base/log.h"

namespace layby::cli {
namespace {

int serve(const std::string& path, const std::string& notices_file) {
  const std::optional<app::Config> config = read_config(path);
  if (!config) return kMisused;
  const std::vector<app::ConfigFault> faults = app::check_start(*config, app::CheckedBy::kDaemon);
  if (!faults.empty()) {
    complain_of(path.empty() ? "the configuration" : path, faults);
    return kMisused;
  }
  log::start_buffered(config->log_level);
  const Status status = app::serve(*config, path, notices_file);
  // The error goes to the log, because complain() would wait if nobody reads stderr.
  if (!status) log::error("{}", status.error().message);
  log::flush();
  return status ? kFine : kFailed;
}

}  // namespace

void add_serve(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("serve", "Serve images in the foreground until SIGTERM");
  const auto path = std::make_shared<std::string>();
  command->add_option("--config", *path,
                      "Configuration file (default: /etc/layby/layby.json if it exists, else "
                      "all defaults)");
  const auto notices_file = std::make_shared<std::string>();
  command->add_option("--notices", *notices_file,
                      "A file of lines to show on the page and in the status, such as faults "
                      "of this machine");
  command->callback([=, &exit_code] { exit_code = serve(*path, *notices_file); });
}

}  // namespace layby::cli
