// SPDX-License-Identifier: Apache-2.0
//
// One request for each image that a command names, shared by pin, unpin and evict. Each
// image gets a line on stdout or, when the daemon refuses, on stderr. A refusal does not
// stop the requests for the other images.

#ifndef LAYBY_SRC_CLI_IMAGE_REQUESTS_H_
#define LAYBY_SRC_CLI_IMAGE_REQUESTS_H_

#include <chrono>
#include <string>
#include <vector>

#include "cli/answer.h"
#include "cli/daemon_options.h"

namespace layby::cli {

// The help for images and for --json.
inline constexpr const char* kImageHelp =
    "Images, named as for docker: debian:12, ghcr.io/acme/tool:1";
inline constexpr const char* kImageJsonHelp = "Print the daemon's answers, one line for each image";

struct ImageRequest {
  std::string path;  // "/pin"
  std::chrono::seconds patience;
  std::string (*line)(const Json& answer);  // The line for a person, from the daemon's answer.
};

// Returns the exit code: kFailed if a request failed, kMisused if the configuration has faults.
int request_for_each(const ImageRequest& request, const std::vector<std::string>& images,
                     const DaemonOptions& options);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_IMAGE_REQUESTS_H_
