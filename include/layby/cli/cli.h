// SPDX-License-Identifier: Apache-2.0
//
// The command line: `layby <verb>`. One cmd_<verb>.cpp in src/cli for each.

#ifndef LAYBY_CLI_CLI_H_
#define LAYBY_CLI_CLI_H_

namespace layby::cli {

// Runs what the arguments ask for. Returns the exit code: 0 fine, 1 it failed,
// 2 the arguments or the configuration are wrong.
int run(int argc, const char* const* argv);

}  // namespace layby::cli

#endif  // LAYBY_CLI_CLI_H_
