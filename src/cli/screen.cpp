// SPDX-License-Identifier: Apache-2.0
//
// Asks the kernel whether stdout is a terminal, and for the size of the terminal.

#include "cli/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace layby::cli {

Screen screen_of_stdout() {
  Screen screen;
  screen.is_terminal = ::isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return screen;
  // A serial console reports 0 for an unknown size.
  if (size.ws_col > 0) screen.columns = size.ws_col;
  if (size.ws_row > 0) screen.rows = size.ws_row;
  return screen;
}

}  // namespace layby::cli
