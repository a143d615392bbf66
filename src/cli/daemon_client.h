// SPDX-License-Identifier: Apache-2.0
//
// One GET or one POST to the daemon, over its Unix socket. Blocks.
//
// Both functions give the answer's body. They fail with kUnavailable when no daemon
// answers at `socket`, with kTimedOut after `patience`, and with kInvalid when another
// program answers. A refusal of the daemon keeps the daemon's own sentence: kNotFound
// (404), kDenied (other 4xx), kIo (5xx).

#ifndef LAYBY_SRC_CLI_DAEMON_CLIENT_H_
#define LAYBY_SRC_CLI_DAEMON_CLIENT_H_

#include <chrono>
#include <string>

#include "layby/base/result.h"

namespace layby::cli {

// For answers that the loop has in memory. Short, since the user may have a sick box.
inline constexpr std::chrono::seconds kShortPatience{10};
// For requests that read the index or commit to it.
inline constexpr std::chrono::seconds kDiskPatience{60};
// For requests that remove files: thousands of files on a slow card.
inline constexpr std::chrono::seconds kRemovalPatience{1800};

// GET `path`.
Result<std::string> ask_daemon(const std::string& socket, const std::string& path,
                               std::chrono::seconds patience = kShortPatience);

// POST `path`, without a body.
Result<std::string> tell_daemon(const std::string& socket, const std::string& path,
                                std::chrono::seconds patience = kDiskPatience);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_DAEMON_CLIENT_H_
