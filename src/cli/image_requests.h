// SPDX-License-Identifier: Apache-2.0
//
// The same order for each image that a command names, on which pin, unpin and evict
// agree: one line an image on stdout, refusals on stderr, and one refusal does not
// keep the others from being asked for.

#ifndef LAYBY_SRC_CLI_IMAGE_REQUESTS_H_
#define LAYBY_SRC_CLI_IMAGE_REQUESTS_H_

#include <chrono>
#include <string>
#include <vector>

#include "cli/answer.h"
#include "cli/daemon_options.h"

namespace layby::cli {

// What --help says of the images, and of --json.
inline constexpr const char* kImageHelp = "As for docker: debian:12, ghcr.io/acme/tool:1";
inline constexpr const char* kImageJsonHelp = "Print what the daemon says, a line an image";

struct ImageRequest {
  std::string path;  // "/pin"
  std::chrono::seconds patience;
  std::string (*line)(const Json& answer);  // What a person is told.
};

// Gives the exit code: kFailed if any failed.
int request_for_each(const ImageRequest& request, const std::vector<std::string>& images,
                     const DaemonOptions& options);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_IMAGE_REQUESTS_H_
