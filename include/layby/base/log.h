// SPDX-License-Identifier: Apache-2.0
//
// The log of the process: one line per event on stderr, through spdlog. Every thread may log.
// Before callers log text from outside, they pass the text through printable().

#ifndef LAYBY_BASE_LOG_H_
#define LAYBY_BASE_LOG_H_

#include <spdlog/spdlog.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace layby::log {

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

// Sends the log to stderr. A log call waits until stderr has taken the line. `level` is "debug",
// "info", "warn" or "error".
void start(std::string_view level);

// Sends the daemon's log to stderr through a buffer of 128 KiB, which a thread empties. No log call
// waits for stderr. While the buffer is full, lines are dropped, and a later line says how many.
void start_buffered(std::string_view level);

// Waits for at most 1 s until the lines in the buffer are written. Does nothing without a buffer.
void flush();
// Like flush(), for the handler of a fatal signal. Waits for at most 100 ms.
void flush_in_crash();

// The number of lines that were dropped since the process started.
std::uint64_t dropped_lines();

// Returns `text` with control characters and bytes above 0x7e written as \xNN. "..." replaces all
// text after the first 200 bytes.
std::string printable(std::string_view text);

}  // namespace layby::log

#endif  // LAYBY_BASE_LOG_H_
