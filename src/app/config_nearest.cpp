// SPDX-License-Identifier: Apache-2.0
//
// The distance is the restricted Damerau-Levenshtein distance (optimal string alignment). Paths
// are compared as a whole, and also by their last part, to find a key in the wrong section.

#include "app/config_nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <vector>

namespace layby::app {
namespace {

constexpr std::size_t kLongestGuess = 64;

std::string_view last_part(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

// Up to one edit for every three characters counts as a typing mistake; more edits give a different
// word.
std::size_t tolerance(std::string_view word) { return std::max<std::size_t>(1, word.size() / 3); }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);  // Row i - 2.
  std::vector<std::size_t> above(b.size() + 1);   // Row i - 1.
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, above[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  assert(row[b.size()] <= std::max(a.size(), b.size()));
  return row[b.size()];
}

std::string suggestion(const Keys& keys, const std::string& unknown_path) {
  const std::string_view name = last_part(unknown_path);
  std::string_view best;
  std::size_t least = tolerance(name) + 1;
  for (const Key& key : keys) {
    if (unknown_path.size() > kLongestGuess) break;
    // A wrong section counts as one edit.
    const std::size_t distance = std::min(edit_distance(unknown_path, key.path),
                                          edit_distance(name, last_part(key.path)) + 1);
    if (distance >= least) continue;
    least = distance;
    best = key.path;
  }
  if (best.empty())
    return std::string("; `layby config reference") +
           (&keys == &prefetch_keys() ? " --prefetch" : "") + "` lists all keys";
  return fmt::format("; did you mean \"{}\"?", best);
}

}  // namespace layby::app
