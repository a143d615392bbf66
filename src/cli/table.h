// SPDX-License-Identifier: Apache-2.0
//
// A table for people. On a narrow terminal, the last optional columns are left out, and then the
// middle of long cells is cut out. In a file or a pipe the table stays whole. Pure.

#ifndef LAYBY_SRC_CLI_TABLE_H_
#define LAYBY_SRC_CLI_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "cli/screen.h"

namespace layby::cli {

struct Column {
  std::string heading;
  std::size_t least = 0;  // Cells may be cut to this many characters; 0: cells stay whole.
  bool is_number = false;
  bool is_optional = false;
};

// Each row has a cell for each column. Cells are printable ASCII, so that a byte takes one
// column of the terminal.
using Row = std::vector<std::string>;
std::string table(std::vector<Column> columns, std::vector<Row> rows, const Screen& screen);

// Cuts `cell` to "ghcr.io/...tool:1", because both ends of a name tell more than the middle.
std::string cut_middle(const std::string& cell, std::size_t width);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_TABLE_H_
