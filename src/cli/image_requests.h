// SPDX-License-Identifier: Apache-2.0
//
// Sends a request for each image that `layby pin`, `unpin` or `evict` names. Prints a line for each
// image on stdout or, when the daemon refuses, on stderr. After a refusal, the requests for the
// other images are still sent.

#ifndef LAYBY_SRC_CLI_IMAGE_REQUESTS_H_
#define LAYBY_SRC_CLI_IMAGE_REQUESTS_H_

#include <chrono>
#include <string>
#include <vector>

#include "cli/answer.h"
#include "cli/daemon_options.h"

namespace layby::cli {

// The help texts of the argument with the images and of --json.
inline constexpr const char* kImageHelp =
    "Images, named as for docker: debian:12, ghcr.io/acme/tool:1";
inline constexpr const char* kImageJsonHelp = "Print the daemon's answers, one line for each image";

struct ImageRequest {
  std::string path;  // "/pin"
  std::chrono::seconds patience;
  std::string (*line)(const Json& answer);  // Makes the line for a person.
};

// Returns the exit code: kFailed if a request failed, kMisused if the configuration has faults.
int request_for_each(const ImageRequest& request, const std::vector<std::string>& images,
                     const DaemonOptions& options);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_IMAGE_REQUESTS_H_
