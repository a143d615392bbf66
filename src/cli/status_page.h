// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby status`: what /stats says, set out for a person. Pure.

#ifndef LAYBY_SRC_CLI_STATUS_PAGE_H_
#define LAYBY_SRC_CLI_STATUS_PAGE_H_

#include <string>
#include <string_view>

#include "cli/screen.h"
#include "layby/base/result.h"

namespace layby::cli {

// `stats` is the body of GET /stats; kInvalid when it can't be that.
Result<std::string> status_page(std::string_view stats, const Screen& screen);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_STATUS_PAGE_H_
