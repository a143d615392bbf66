// SPDX-License-Identifier: Apache-2.0
//
// What `layby check` says about one engine. Pure.

#ifndef LAYBY_SRC_CLI_CHECK_PAGE_H_
#define LAYBY_SRC_CLI_CHECK_PAGE_H_

#include <string>
#include <vector>

#include "cli/answer.h"
#include "cli/image_probe.h"
#include "layby/engines/engines.h"

namespace layby::cli {

struct CheckedImage {
  engines::Engine engine;
  std::string image;  // As the user gave it.
  engines::Route route;
  // The answers of the first endpoints of `route`. The endpoints after the one that has the image
  // aren't asked.
  std::vector<Probe> probes;
};

// Whether the engine stops at this endpoint: the endpoint has the image, or wants a token first.
bool is_answer(const Probe& probe);

// Whether a Layby gives the image to the engine.
bool is_from_layby(const CheckedImage& checked);

// The endpoints with their answers, the notes, and a sentence that says where the image comes from,
// or why it doesn't come from a Layby.
std::string check_page(const CheckedImage& checked);

// Puts the mirrors of the running dockerd, whose answer to GET /info is `info`, in the place of the
// mirrors of its file. Notes the mirrors of the file that dockerd doesn't use.
void follow_running_docker(const Json& info, engines::Route& route);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_CHECK_PAGE_H_
