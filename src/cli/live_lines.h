// SPDX-License-Identifier: Apache-2.0
//
// Lines on a terminal that are written again in their place. Below them stays an
// empty line, where the cursor waits. Pure: what to write comes back as text.

#ifndef LAYBY_SRC_CLI_LIVE_LINES_H_
#define LAYBY_SRC_CLI_LIVE_LINES_H_

#include <cstddef>
#include <string>
#include <vector>

namespace layby::cli {

class LiveLines {
 public:
  // `lines` in place of those before, on a terminal that has `columns` now. They are
  // printable ASCII, each shorter than `columns`, and fewer than the terminal's rows.
  std::string draw(const std::vector<std::string>& lines, int columns);

  // What takes them away, to make room for other output.
  std::string clear(int columns);

 private:
  std::string to_their_top(int columns) const;

  std::vector<std::size_t> widths_;  // Of the lines that stand there.
};

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_LIVE_LINES_H_
