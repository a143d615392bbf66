// SPDX-License-Identifier: Apache-2.0
//
// The place where a command's output goes.

#ifndef LAYBY_SRC_CLI_SCREEN_H_
#define LAYBY_SRC_CLI_SCREEN_H_

namespace layby::cli {

// A file or a pipe gets no bars, no bold and no cut lines.
struct Screen {
  bool is_terminal = false;
  int columns = 80;
  int rows = 24;
};

Screen screen_of_stdout();

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_SCREEN_H_
