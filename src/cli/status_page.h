// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby status`: what /stats says, set out for a person. Pure.

#ifndef LAYBY_SRC_CLI_STATUS_PAGE_H_
#define LAYBY_SRC_CLI_STATUS_PAGE_H_

#include <string>
#include <string_view>

#include "layby/base/result.h"

namespace layby::cli {

// Where the page goes. A file or a pipe gets no bars and no bold.
struct Screen {
  bool is_terminal = false;
  int columns = 80;
};

// `stats` is the body of GET /stats; kInvalid when it can't be that.
Result<std::string> status_page(std::string_view stats, const Screen& screen);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_STATUS_PAGE_H_
