// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby ls`: what /images says, set out for a person. Pure.

#ifndef LAYBY_SRC_CLI_IMAGE_LIST_H_
#define LAYBY_SRC_CLI_IMAGE_LIST_H_

#include <string>
#include <string_view>

#include "cli/screen.h"
#include "layby/base/result.h"

namespace layby::cli {

// `images` is the body of GET /images; kInvalid when it can't be that. With a
// `pattern`, only what matches is listed: whole names where it has a '*', which stands
// for any characters, else names that have it in them.
Result<std::string> image_list(std::string_view images, std::string_view pattern,
                               const Screen& screen);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_IMAGE_LIST_H_
