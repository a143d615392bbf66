// SPDX-License-Identifier: Apache-2.0
//
// After a mismatch the search goes back only to the last '*', which suffices because '*' is the
// only wildcard. So the number of steps is at most
// the length of the pattern times the length of the name.

#include "layby/policy/repository_filter.h"

#include <algorithm>
#include <cstddef>

namespace layby::policy {

bool matches_pattern(std::string_view pattern, std::string_view repository) {
  std::size_t p = 0;
  std::size_t r = 0;
  std::size_t star = std::string_view::npos;  // Where the last '*' is in the pattern.
  std::size_t taken = 0;                      // Where the text for this '*' ends.
  while (r < repository.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = r;
    } else if (p < pattern.size() && pattern[p] == repository[r]) {
      ++p;
      ++r;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      r = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool allows(const std::vector<std::string>& patterns, std::string_view repository) {
  return std::any_of(patterns.begin(), patterns.end(), [repository](const std::string& pattern) {
    return matches_pattern(pattern, repository);
  });
}

}  // namespace layby::policy
