// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby status`: the answer to GET /stats, laid out for a person. Pure.

#ifndef LAYBY_SRC_CLI_STATUS_PAGE_H_
#define LAYBY_SRC_CLI_STATUS_PAGE_H_

#include <string>
#include <string_view>

#include "cli/screen.h"
#include "layby/base/result.h"

namespace layby::cli {

// `stats` is the body of GET /stats; kInvalid for any other text.
Result<std::string> status_page(std::string_view stats, const Screen& screen);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_STATUS_PAGE_H_
