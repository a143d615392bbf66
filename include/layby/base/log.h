// SPDX-License-Identifier: Apache-2.0
//
// The log of the process: one line per event on stderr, through spdlog. Every thread may log.
// Before callers log text from outside, they pass the text through printable().

#ifndef LAYBY_BASE_LOG_H_
#define LAYBY_BASE_LOG_H_

#include <spdlog/spdlog.h>

#include <string>
#include <string_view>

namespace layby::log {

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

// Sends the log to stderr. `level` is "debug", "info", "warn" or "error".
void start(std::string_view level);

// Returns `text` with control characters and bytes above 0x7e written as \xNN. "..." replaces all
// text after the first 200 bytes.
std::string printable(std::string_view text);

}  // namespace layby::log

#endif  // LAYBY_BASE_LOG_H_
