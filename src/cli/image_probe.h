// SPDX-License-Identifier: Apache-2.0
//
// Asks a registry for an image's manifest, as a container engine does. Blocks.

#ifndef LAYBY_SRC_CLI_IMAGE_PROBE_H_
#define LAYBY_SRC_CLI_IMAGE_PROBE_H_

#include <string>

#include "layby/engines/engines.h"

namespace layby::cli {

// What a registry answered.
struct Probe {
  int status = 0;         // The HTTP status; 0 if there was no answer.
  bool is_layby = false;  // A Layby answered.
  std::string error;      // Why there was no answer, or the registry's own words; or empty.
};

// Sends a HEAD for the manifest `reference` to `endpoint`, and a GET after a refusal. Each waits at
// most 10 s.
Probe ask_for_image(const engines::Endpoint& endpoint, const std::string& reference);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_IMAGE_PROBE_H_
