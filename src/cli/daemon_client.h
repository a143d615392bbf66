// SPDX-License-Identifier: Apache-2.0
//
// One GET or one POST to the daemon, over its Unix socket. Blocks.
//
// ask_daemon() and tell_daemon() return the answer's body. Errors: kUnavailable when no daemon
// answers at `socket`, kTimedOut after `patience`, kInvalid when another program answers. When the
// daemon refuses, the error's message is the daemon's own sentence, and its code is kNotFound for
// 404, kDenied for other 4xx, kIo for 5xx.

#ifndef LAYBY_SRC_CLI_DAEMON_CLIENT_H_
#define LAYBY_SRC_CLI_DAEMON_CLIENT_H_

#include <chrono>
#include <string>

#include "layby/base/result.h"

namespace layby::cli {

// For answers that the daemon has in memory. Short, because a sick box may never answer.
inline constexpr std::chrono::seconds kShortPatience{10};
// For requests that read the index or write to the index.
inline constexpr std::chrono::seconds kDiskPatience{60};
// For requests that remove files: perhaps thousands of files on a slow card.
inline constexpr std::chrono::seconds kRemovalPatience{1800};

// Sends GET `path`.
Result<std::string> ask_daemon(const std::string& socket, const std::string& path,
                               std::chrono::seconds patience = kShortPatience);

// Sends POST `path`, without a body.
Result<std::string> tell_daemon(const std::string& socket, const std::string& path,
                                std::chrono::seconds patience = kDiskPatience);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_DAEMON_CLIENT_H_
