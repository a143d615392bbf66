// SPDX-License-Identifier: Apache-2.0
//
// One question or one order to the daemon, over its Unix socket. Blocks.
//
// Both give the answer's body. They fail with kUnavailable when no daemon answers at
// `socket`, kTimedOut after `patience`, kInvalid when something answers that is none.
// What the daemon itself refuses comes as its own sentence: kNotFound (404), kDenied
// (other 4xx), kIo (5xx).

#ifndef LAYBY_SRC_CLI_DAEMON_CLIENT_H_
#define LAYBY_SRC_CLI_DAEMON_CLIENT_H_

#include <chrono>
#include <string>

#include "layby/base/result.h"

namespace layby::cli {

// What the loop answers from memory. Short: whoever asks is looking at a sick box.
inline constexpr std::chrono::seconds kShortPatience{10};
// What has to read the index or commit to it.
inline constexpr std::chrono::seconds kDiskPatience{60};
// What removes files, on a slow card by the thousand.
inline constexpr std::chrono::seconds kRemovalPatience{1800};

// GET `path`.
Result<std::string> ask_daemon(const std::string& socket, const std::string& path,
                               std::chrono::seconds patience = kShortPatience);

// POST `path`, without a body.
Result<std::string> tell_daemon(const std::string& socket, const std::string& path,
                                std::chrono::seconds patience = kDiskPatience);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_DAEMON_CLIENT_H_
