// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby events`. The function is pure, except that times are in this machine's time
// zone.

#ifndef LAYBY_SRC_CLI_EVENT_LIST_H_
#define LAYBY_SRC_CLI_EVENT_LIST_H_

#include <string>
#include <string_view>

#include "cli/screen.h"
#include "layby/base/result.h"

namespace layby::cli {

// `events` is the answer to GET /events. kInvalid: `events` is not a JSON object.
Result<std::string> event_list(std::string_view events, const Screen& screen);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_EVENT_LIST_H_
