// SPDX-License-Identifier: Apache-2.0
//
// How it is seen that a file has changed: by its times, not by inotify, for editors replace
// files, and folders come and go with the disks that they are on.

#ifndef LAYBY_APP_FILE_MARK_H_
#define LAYBY_APP_FILE_MARK_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace layby::app {

// How often files are looked at.
inline constexpr std::chrono::seconds kFileLook{2};

// What a file is known by: it is read again when that changes.
struct FileMark {
  bool there = false;
  std::int64_t changed_ns = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileMark&) const = default;
};

// Blocks on the disk. A file that can't be looked at, and an empty path, are not there.
FileMark mark_of(const std::string& path);

}  // namespace layby::app

#endif  // LAYBY_APP_FILE_MARK_H_
