// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby ls`: the answer to GET /images, laid out for a person. Pure.

#ifndef LAYBY_SRC_CLI_IMAGE_LIST_H_
#define LAYBY_SRC_CLI_IMAGE_LIST_H_

#include <string>
#include <string_view>

#include "cli/screen.h"
#include "layby/base/result.h"

namespace layby::cli {

// `images` is the body of GET /images. Returns kInvalid if `images` is no JSON object. `pattern`
// selects names. A pattern with a '*' (any characters) must match the whole name. A pattern without
// a '*' must occur in the name.
Result<std::string> image_list(std::string_view images, std::string_view pattern,
                               const Screen& screen);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_IMAGE_LIST_H_
