// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says of stdout.

#include "cli/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace layby::cli {

Screen screen_of_stdout() {
  Screen screen;
  screen.is_terminal = ::isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    screen.columns = size.ws_col;
  }
  return screen;
}

}  // namespace layby::cli
