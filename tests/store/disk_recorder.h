// SPDX-License-Identifier: Apache-2.0
//
// Records what a process does to the files of one folder: names, bytes and syncs, in the order in
// which the kernel took them. disk_recorder.cpp defines the calls of libc that change files, so the
// calls of the store, of LMDB and of the C++ library are recorded alike. An executable that links
// disk_recorder.cpp calls these functions instead of libc's. Bytes written through a shared map
// aren't seen: LMDB writes only its lock file in that way. Usable from any thread.

#ifndef LAYBY_TESTS_STORE_DISK_RECORDER_H_
#define LAYBY_TESTS_STORE_DISK_RECORDER_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace layby::testing {

// What is on a disk. Names are relative to the recorded folder. A file with two names is one entry
// of `files`.
struct DiskImage {
  std::set<std::string> folders;
  std::map<std::string, int> names;
  std::map<int, std::string> files;

  static DiskImage of(const std::string& folder);
  // Makes the folders and files in `folder`, which is made too.
  void build(const std::string& folder) const;
};

struct DiskOp {
  enum class Kind {
    kMakeFolder,
    kRemoveFolder,
    kCreate,      // `name` is a new empty file.
    kLink,        // `name` is another name of the file.
    kUnlink,      // `name` is gone.
    kRename,      // `name` is the file; `from` is gone.
    kWrite,       // `bytes` at `at`.
    kResize,      // The file has `at` bytes.
    kSyncFile,    // All earlier bytes of the file are on the disk.
    kSyncWrite,   // The bytes of the operation `at` are on the disk (O_DSYNC).
    kSyncFolder,  // All earlier names in the folder `name` are on the disk.
  };
  Kind kind;
  int file = -1;
  std::string name = {};
  std::string from = {};
  std::uint64_t at = 0;
  std::string bytes = {};

  bool is_name() const { return kind <= Kind::kRename; }
  bool is_content() const { return kind == Kind::kWrite || kind == Kind::kResize; }
  bool is_sync() const { return kind >= Kind::kSyncFile; }
};

std::string to_string(const DiskOp& op);
// The folder that has the name `path`.
std::string folder_of(const std::string& path);

struct Recording {
  DiskImage before;
  std::vector<DiskOp> ops;
};

// Records from its construction until take(). Only one DiskRecorder exists at a time. No other
// thread uses the folder when the recording begins and when it ends. `root` is a path without
// symbolic links.
class DiskRecorder {
 public:
  explicit DiskRecorder(std::string root);
  ~DiskRecorder();
  // The number of operations so far.
  std::size_t size() const;
  // Ends the recording.
  Recording take();

  DiskRecorder(const DiskRecorder&) = delete;
  DiskRecorder& operator=(const DiskRecorder&) = delete;

  // The functions below are for the calls in disk_recorder.cpp, which hold the lock. `path` and
  // `fd` may be those of any file.
  bool has(const char* path) const;
  void created(const char* path);
  void unnamed(int fd);
  void named(DiskOp::Kind kind, const char* path, const char* from = "");
  void written(int fd, std::uint64_t at, std::string bytes);
  void resized(int fd, std::uint64_t size);
  void synced(int fd);

 private:
  std::string relative(const std::string& path) const;
  std::string path_of(int fd) const;
  int file_of(int fd) const;
  void take_folder();

  const std::string root_;
  Recording recording_;
  std::map<ino_t, int> numbers_;    // The files of the folder.
  std::map<std::string, int> now_;  // The present names.
  int next_number_ = 0;
};

// While a FastDisk exists, nothing waits for the disk: a sync does nothing.
class FastDisk {
 public:
  FastDisk();
  ~FastDisk();
  FastDisk(const FastDisk&) = delete;
  FastDisk& operator=(const FastDisk&) = delete;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_STORE_DISK_RECORDER_H_
