// SPDX-License-Identifier: Apache-2.0
//
// `layby unpin`: lets pinned images be evicted again.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/image_requests.h"

namespace layby::cli {
namespace {

struct UnpinOptions {
  DaemonOptions daemon;
  std::vector<std::string> images;
};

std::string unpinned_line(const Json& answer) {
  const bool was_pinned = flag(answer, "/was_pinned");
  return text(answer, "/image") + (was_pinned ? " is no longer pinned" : " was not pinned");
}

int unpin(const UnpinOptions& options) {
  return request_for_each({"/unpin", kDiskPatience, unpinned_line}, options.images, options.daemon);
}

}  // namespace

void add_unpin(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("unpin", "Let pinned images be evicted again");
  const auto options = std::make_shared<UnpinOptions>();
  add_daemon_options(*command, options->daemon, kImageJsonHelp);
  command->add_option("image", options->images, kImageHelp)->required();
  command->callback([options, &exit_code] { exit_code = unpin(*options); });
}

}  // namespace layby::cli
