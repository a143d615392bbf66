// SPDX-License-Identifier: Apache-2.0
//
// The log of the process: one line an event on stderr, through spdlog. Callable
// from every thread. Text from outside goes through printable() first.

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

// `text` with control characters and bytes above 0x7e as \xNN, cut after 200.
std::string printable(std::string_view text);

}  // namespace layby::log

#endif  // LAYBY_BASE_LOG_H_
