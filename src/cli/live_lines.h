// SPDX-License-Identifier: Apache-2.0
//
// Lines on a terminal that are rewritten in place. The cursor waits on an empty line below
// the lines. Pure: returns the text to write.

#ifndef LAYBY_SRC_CLI_LIVE_LINES_H_
#define LAYBY_SRC_CLI_LIVE_LINES_H_

#include <cstddef>
#include <string>
#include <vector>

namespace layby::cli {

class LiveLines {
 public:
  // Replaces the lines drawn before by `lines`, on a terminal that has `columns` now.
  // `lines` are printable ASCII, each shorter than `columns` (or one character, on a
  // terminal of one column), and fewer than the terminal's rows.
  std::string draw(const std::vector<std::string>& lines, int columns);

  // Removes the lines, to make room for other output.
  std::string clear(int columns);

 private:
  std::string to_their_top(int columns) const;

  std::vector<std::size_t> widths_;  // Of the lines that are drawn now.
};

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_LIVE_LINES_H_
