// SPDX-License-Identifier: Apache-2.0
//
// Lines on a terminal that are rewritten in place. The cursor rests on an empty line below the
// text. The class is pure: it returns the text to write.

#ifndef LAYBY_SRC_CLI_LIVE_LINES_H_
#define LAYBY_SRC_CLI_LIVE_LINES_H_

#include <cstddef>
#include <string>
#include <vector>

namespace layby::cli {

class LiveLines {
 public:
  // Draws `lines` in place of the lines that are drawn now. `columns` is the present width of the
  // terminal. Each of `lines` is printable ASCII and shorter than `columns` (one character if
  // `columns` is 1). There are fewer `lines` than rows of the terminal.
  std::string draw(const std::vector<std::string>& lines, int columns);

  // Removes the lines, to make room for other output.
  std::string clear(int columns);

 private:
  std::string to_their_top(int columns) const;

  std::vector<std::size_t> widths_;  // The widths of the lines that are drawn now.
};

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_LIVE_LINES_H_
