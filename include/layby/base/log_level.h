// SPDX-License-Identifier: Apache-2.0
//
// Changes the level of the log while the program runs.

#ifndef LAYBY_BASE_LOG_LEVEL_H_
#define LAYBY_BASE_LOG_LEVEL_H_

#include <string_view>

namespace layby::log {

// `level` is "debug", "info", "warn" or "error". Other threads may log during the call.
void set_level(std::string_view level);

}  // namespace layby::log

#endif  // LAYBY_BASE_LOG_LEVEL_H_
