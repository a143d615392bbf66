// SPDX-License-Identifier: Apache-2.0
//
// `layby pin`: marks images that are never evicted.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/image_requests.h"

namespace layby::cli {
namespace {

struct PinOptions {
  DaemonOptions daemon;
  std::vector<std::string> images;
};

std::string pinned_line(const Json& answer) {
  const std::string image = text(answer, "/image");
  if (flag(answer, "/cached")) return image + " is pinned";
  return image + " is pinned; it isn't cached yet, and will be kept after its first pull";
}

int pin(const PinOptions& options) {
  return request_for_each({"/pin", kDiskPatience, pinned_line}, options.images, options.daemon);
}

}  // namespace

void add_pin(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("pin", "Keep images in the cache: they are never evicted");
  const auto options = std::make_shared<PinOptions>();
  add_daemon_options(*command, options->daemon, kImageJsonHelp);
  command->add_option("image", options->images, kImageHelp)->required();
  command->callback([options, &exit_code] { exit_code = pin(*options); });
}

}  // namespace layby::cli
