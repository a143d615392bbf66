// SPDX-License-Identifier: Apache-2.0
//
// Each line is cleared from the end of its text to the right edge, and the screen is cleared below
// the last line. Text is rewritten without clearing it first, so nothing flickers. The control
// sequences are CUU, EL and ED of ECMA-48.

#include "cli/live_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace layby::cli {

std::string LiveLines::draw(const std::vector<std::string>& lines, int columns) {
  std::string out = to_their_top(columns);
  widths_.clear();
  for (const std::string& line : lines) {
    assert(line.size() < static_cast<std::size_t>(std::max(columns, 2)));
    assert(line.find('\n') == std::string::npos);
    out += line + "\x1b[K\n";
    widths_.push_back(line.size());
  }
  return out + "\x1b[J";
}

std::string LiveLines::clear(int columns) {
  std::string out = to_their_top(columns) + "\x1b[J";
  widths_.clear();
  return out;
}

// Moves the cursor to the first line that is drawn. A terminal that became narrower has wrapped
// long lines over several rows.
std::string LiveLines::to_their_top(int columns) const {
  const auto room = static_cast<std::size_t>(std::max(columns, 1));
  std::size_t rows = 0;
  for (const std::size_t width : widths_)
    rows += std::max<std::size_t>(1, (width + room - 1) / room);
  return rows == 0 ? "\r" : fmt::format("\r\x1b[{}A", rows);
}

}  // namespace layby::cli
