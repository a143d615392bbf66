// SPDX-License-Identifier: Apache-2.0
//
// Detects that a file has changed, by the file's inode, size and time. inotify doesn't fit, because
// editors replace files, and folders appear and disappear with their disks.

#ifndef LAYBY_APP_FILE_MARK_H_
#define LAYBY_APP_FILE_MARK_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace layby::app {

// How often files are checked.
inline constexpr std::chrono::seconds kFileLook{2};

// Identifies a version of a file. The file is read again when its mark changes.
struct FileMark {
  bool there = false;
  std::int64_t changed_ns = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileMark&) const = default;
};

// The mark of the file `path`. `there` is false if `path` is empty or stat() fails. Blocks on the
// disk.
FileMark mark_of(const std::string& path);

}  // namespace layby::app

#endif  // LAYBY_APP_FILE_MARK_H_
