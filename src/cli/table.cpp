// SPDX-License-Identifier: Apache-2.0
//
// Finds the width of each column, reduces the widths to fit the screen, then writes the lines.
// Invariant: each row has a cell for each column, and each column has a width.

#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <numeric>

namespace layby::cli {
namespace {

constexpr std::size_t kGap = 2;

class Table {
 public:
  Table(std::vector<Column> columns, std::vector<Row> rows)
      : columns_(std::move(columns)), rows_(std::move(rows)) {
    assert(std::all_of(rows_.begin(), rows_.end(),
                       [this](const Row& row) { return row.size() == columns_.size(); }));
    for (std::size_t i = 0; i < columns_.size(); ++i) widths_.push_back(natural_width(i));
  }

  void fit(std::size_t width) {
    while (width_with(least_widths()) > width && drop_one()) {
    }
    const std::vector<std::size_t> least = least_widths();
    for (std::size_t i = widths_.size(); i-- > 0;) {
      const std::size_t excess = width_with(widths_) - std::min(width_with(widths_), width);
      assert(least[i] <= widths_[i]);
      widths_[i] -= std::min(excess, widths_[i] - least[i]);
    }
  }

  std::string write(bool bold_heading) const {
    Row headings;
    for (const Column& column : columns_) headings.push_back(column.heading);
    std::string out =
        bold_heading ? fmt::format("\x1b[1m{}\x1b[0m\n", line(headings)) : line(headings) + "\n";
    for (const Row& row : rows_) out += line(row) + "\n";
    return out;
  }

 private:
  std::size_t natural_width(std::size_t i) const {
    std::size_t width = columns_[i].heading.size();
    for (const Row& row : rows_) width = std::max(width, row[i].size());
    return width;
  }

  std::vector<std::size_t> least_widths() const {
    std::vector<std::size_t> least = widths_;
    for (std::size_t i = 0; i < least.size(); ++i) {
      if (columns_[i].least > 0) least[i] = std::min(least[i], columns_[i].least);
    }
    return least;
  }

  static std::size_t width_with(const std::vector<std::size_t>& widths) {
    return std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1));
  }

  // Drops the last column with is_optional. Returns false when there is no such column.
  bool drop_one() {
    for (std::size_t i = columns_.size(); i-- > 0;) {
      if (!columns_[i].is_optional) continue;
      const auto at = static_cast<std::ptrdiff_t>(i);
      columns_.erase(columns_.begin() + at);
      widths_.erase(widths_.begin() + at);
      for (Row& row : rows_) row.erase(row.begin() + at);
      return true;
    }
    return false;
  }

  std::string line(const Row& row) const {
    assert(row.size() == widths_.size());
    std::string out;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = cut_middle(row[i], widths_[i]);
      const std::string space(widths_[i] - std::min(widths_[i], cell.size()), ' ');
      out += columns_[i].is_number ? space + cell : cell + space;
      out.append(kGap, ' ');
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
  }

  std::vector<Column> columns_;
  std::vector<Row> rows_;
  std::vector<std::size_t> widths_;
};

}  // namespace

std::string cut_middle(const std::string& cell, std::size_t width) {
  constexpr std::size_t kDots = 3;
  if (cell.size() <= width) return cell;
  const std::size_t kept = width > kDots ? width - kDots : 0;
  const std::size_t head = kept / 2;
  return fmt::format("{}...{}", cell.substr(0, head), cell.substr(cell.size() - (kept - head)));
}

std::string table(std::vector<Column> columns, std::vector<Row> rows, const Screen& screen) {
  Table table(std::move(columns), std::move(rows));
  if (screen.is_terminal) table.fit(static_cast<std::size_t>(std::max(screen.columns, 1)));
  return table.write(screen.is_terminal);
}

}  // namespace layby::cli
