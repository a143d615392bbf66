// SPDX-License-Identifier: Apache-2.0
//
// `layby ls`: the images in the cache.

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/daemon_options.h"
#include "cli/image_list.h"
#include "cli/screen.h"

namespace layby::cli {
namespace {

struct LsOptions {
  DaemonOptions daemon;
  std::string pattern;
};

int ls(const LsOptions& options) {
  const std::optional<std::string> socket = socket_of(options.daemon);
  if (!socket) return kMisused;
  const Result<std::string> images = ask_daemon(*socket, "/images", kDiskPatience);
  if (!images) return fail(images.error());
  if (options.daemon.json) {
    print_answer(*images);
    return kFine;
  }
  const Result<std::string> page = image_list(*images, options.pattern, screen_of_stdout());
  if (!page) return fail(page.error());
  std::cout << *page;
  return kFine;
}

}  // namespace

void add_ls(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("ls", "List the images in the cache");
  const auto options = std::make_shared<LsOptions>();
  CLI::Option* json =
      add_daemon_options(*command, options->daemon, "Print the answer to GET /images unchanged");
  command
      ->add_option("pattern", options->pattern,
                   "Only images whose name contains this; a '*' matches whole names (\"debian:*\")")
      ->excludes(json);
  command->callback([options, &exit_code] { exit_code = ls(*options); });
}

}  // namespace layby::cli
