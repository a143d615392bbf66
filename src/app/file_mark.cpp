// SPDX-License-Identifier: Apache-2.0
//
// A mark needs one call of stat(2).

#include "app/file_mark.h"

#include <sys/stat.h>

namespace layby::app {

FileMark mark_of(const std::string& path) {
  struct stat found {};
  if (path.empty() || ::stat(path.c_str(), &found) != 0) return {};
  return {true, found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec,
          static_cast<std::uint64_t>(found.st_size), found.st_ino};
}

}  // namespace layby::app
