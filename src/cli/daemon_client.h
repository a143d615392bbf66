// SPDX-License-Identifier: Apache-2.0
//
// One question to the daemon, over its Unix socket. Blocks.

#ifndef LAYBY_SRC_CLI_DAEMON_CLIENT_H_
#define LAYBY_SRC_CLI_DAEMON_CLIENT_H_

#include <string>

#include "layby/base/result.h"

namespace layby::cli {

// The body that GET `path` gives. kUnavailable when no daemon answers at `socket`,
// kInvalid when something answers that is none.
Result<std::string> ask_daemon(const std::string& socket, const std::string& path);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_DAEMON_CLIENT_H_
