// SPDX-License-Identifier: Apache-2.0
//
// The command line: `layby <verb>`. Each verb has its cmd_<verb>.cpp in src/cli.

#ifndef LAYBY_CLI_CLI_H_
#define LAYBY_CLI_CLI_H_

namespace layby::cli {

// Runs the command that the arguments name. Returns the exit code: 0 success, 1 failure,
// 2 wrong arguments or a configuration with faults.
int run(int argc, const char* const* argv);

}  // namespace layby::cli

#endif  // LAYBY_CLI_CLI_H_
