// SPDX-License-Identifier: Apache-2.0
//
// Each call that changes a file runs and is recorded under one mutex, so the order of the recording
// is the order in which the kernel took the calls. The first part is the recorder, the second part
// has the calls.

#include "store/disk_recorder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cassert>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <utility>

namespace layby::testing {
namespace {

namespace fs = std::filesystem;
using Kind = DiskOp::Kind;

std::atomic<DiskRecorder*> active = nullptr;
std::atomic<int> fast_disks = 0;

// Never destroyed, so static objects may close files until the process ends.
std::mutex& gate() {
  static auto* const mutex = new std::mutex;
  return *mutex;
}

ino_t inode_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const char* name_of(Kind kind) {
  constexpr const char* kNames[] = {"mkdir",  "rmdir",      "create",    "link",
                                    "unlink", "rename",     "write",     "truncate",
                                    "sync",   "sync write", "sync names"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace

DiskImage DiskImage::of(const std::string& folder) {
  DiskImage image;
  std::map<ino_t, int> numbers;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().string().substr(folder.size() + 1);
    if (entry.is_directory()) {
      image.folders.insert(name);
      continue;
    }
    const int next = static_cast<int>(numbers.size());
    const auto [known, is_new] = numbers.emplace(inode_of(entry.path()), next);
    if (is_new) image.files[next] = content_of(entry.path());
    image.names[name] = known->second;
  }
  return image;
}

void DiskImage::build(const std::string& folder) const {
  fs::create_directories(folder);
  for (const std::string& name : folders) fs::create_directories(folder + "/" + name);
  std::map<int, std::string> made;
  for (const auto& [name, file] : names) {
    const std::string path = folder + "/" + name;
    const auto [known, is_new] = made.emplace(file, path);
    if (is_new) {
      std::ofstream(path, std::ios::binary) << files.at(file);
    } else {
      fs::create_hard_link(known->second, path);
    }
  }
}

std::string to_string(const DiskOp& op) {
  std::string text = name_of(op.kind);
  if (!op.from.empty()) text += " " + op.from;
  if (!op.name.empty()) text += " " + op.name;
  if (op.file >= 0) text += " file " + std::to_string(op.file);
  if (op.is_content() || op.kind == Kind::kSyncWrite) text += " at " + std::to_string(op.at);
  if (op.kind == Kind::kWrite) text += " size " + std::to_string(op.bytes.size());
  return text;
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

DiskRecorder::DiskRecorder(std::string root) : root_(std::move(root)) {
  recording_.before = DiskImage::of(root_);
  for (const auto& [name, file] : recording_.before.names) {
    numbers_[inode_of(root_ + "/" + name)] = file;
  }
  now_ = recording_.before.names;
  next_number_ = static_cast<int>(recording_.before.files.size());
  assert(active == nullptr);  // One recorder at a time.
  active = this;
}

DiskRecorder::~DiskRecorder() {
  const std::lock_guard lock(gate());
  if (active == this) active = nullptr;
}

std::size_t DiskRecorder::size() const {
  const std::lock_guard lock(gate());
  return recording_.ops.size();
}

Recording DiskRecorder::take() {
  const std::lock_guard lock(gate());
  active = nullptr;
  return std::move(recording_);
}

// Empty for a path outside the folder.
std::string DiskRecorder::relative(const std::string& path) const {
  const bool inside =
      path.size() > root_.size() && path.starts_with(root_) && path[root_.size()] == '/';
  return inside ? path.substr(root_.size() + 1) : "";
}

bool DiskRecorder::has(const char* path) const { return !relative(path).empty(); }

std::string DiskRecorder::path_of(int fd) const {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
  return size < 0 ? std::string() : std::string(path, static_cast<std::size_t>(size));
}

// -1 for a file outside the folder. The path of an unlinked file still begins with the folder.
int DiskRecorder::file_of(int fd) const {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return -1;
  if (relative(path_of(fd)).empty()) return -1;
  const auto known = numbers_.find(info.st_ino);
  assert(known != numbers_.end());  // Every file of the folder was there before or was created.
  return known->second;
}

void DiskRecorder::created(const char* path) {
  const std::string name = relative(path);
  const int file = next_number_++;
  numbers_[inode_of(path)] = file;
  now_[name] = file;
  recording_.ops.push_back({Kind::kCreate, file, name});
}

// A file without a name is gone after a power cut, so its writes aren't recorded.
void DiskRecorder::unnamed(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) == 0) numbers_[info.st_ino] = -1;
}

void DiskRecorder::named(Kind kind, const char* path, const char* from) {
  DiskOp op{kind, -1, relative(path), relative(from)};
  if (op.name.empty()) return;
  if (kind == Kind::kLink || kind == Kind::kRename) {
    assert(now_.contains(op.from));  // Renamed folders aren't modelled.
    op.file = now_[op.name] = now_.at(op.from);
    if (kind == Kind::kRename) now_.erase(op.from);
    if (kind == Kind::kLink) op.from.clear();
  }
  if (kind == Kind::kUnlink) now_.erase(op.name);
  recording_.ops.push_back(std::move(op));
}

void DiskRecorder::written(int fd, std::uint64_t at, std::string bytes) {
  const int file = file_of(fd);
  if (file < 0) return;
  recording_.ops.push_back({Kind::kWrite, file, "", "", at, std::move(bytes)});
  if ((::fcntl(fd, F_GETFL) & O_DSYNC) == 0) return;
  recording_.ops.push_back({Kind::kSyncWrite, file, "", "", recording_.ops.size() - 1});
}

void DiskRecorder::resized(int fd, std::uint64_t size) {
  const int file = file_of(fd);
  if (file >= 0) recording_.ops.push_back({Kind::kResize, file, "", "", size});
}

void DiskRecorder::synced(int fd) {
  struct stat info {};
  const std::string path = path_of(fd);
  const bool inside = path == root_ || !relative(path).empty();
  if (!inside || ::fstat(fd, &info) != 0) return;
  if (S_ISDIR(info.st_mode)) {
    recording_.ops.push_back({Kind::kSyncFolder, -1, relative(path)});
  } else {
    recording_.ops.push_back({Kind::kSyncFile, file_of(fd)});
  }
}

FastDisk::FastDisk() { ++fast_disks; }
FastDisk::~FastDisk() { --fast_disks; }

namespace {

// The recorder, locked; null when nothing is recorded.
class Locked {
 public:
  Locked() : recorder_(active) {
    if (recorder_ == nullptr) return;
    lock_ = std::unique_lock(gate());
    recorder_ = active;
  }
  explicit operator bool() const { return recorder_ != nullptr; }
  DiskRecorder* operator->() const { return recorder_; }

 private:
  std::unique_lock<std::mutex> lock_;
  DiskRecorder* recorder_;
};

template <typename... Args>
int call(long number, Args... args) {
  return static_cast<int>(::syscall(number, args...));
}

std::string absolute(int folder, const char* path) {
  if (folder == AT_FDCWD || path[0] == '/') return path;
  return fs::read_symlink("/proc/self/fd/" + std::to_string(folder)).string() + "/" + path;
}

int open_file(int folder, const char* path, int flags, mode_t mode) {
  const Locked recorder;
  if (fast_disks > 0 && !recorder) flags &= ~O_SYNC;  // O_DSYNC is a part of O_SYNC.
  const std::string whole = recorder ? absolute(folder, path) : "";
  const bool may_create = recorder && recorder->has(whole.c_str()) && (flags & O_CREAT) != 0;
  const bool was_there = may_create && ::access(whole.c_str(), F_OK) == 0;
  const int fd = call(SYS_openat, folder, path, flags, mode);
  if (fd >= 0 && may_create && !was_there) recorder->created(whole.c_str());
  if (fd >= 0 && recorder && (flags & O_TRUNC) != 0) recorder->resized(fd, 0);
  if (fd >= 0 && recorder && (flags & O_TMPFILE) == O_TMPFILE) recorder->unnamed(fd);
  return fd;
}

std::string joined(const iovec* parts, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    bytes.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return bytes;
}

// `at` is -1 for a write at the position of the descriptor.
ssize_t write_file(int fd, const iovec* parts, int count, off_t at) {
  const Locked recorder;
  if (recorder && at < 0) {
    const off_t here = ::lseek(fd, 0, SEEK_CUR);
    const ssize_t done = ::syscall(SYS_writev, fd, parts, count);
    if (done <= 0 || here < 0) return done;
    std::string bytes = joined(parts, count).substr(0, static_cast<std::size_t>(done));
    recorder->written(fd, static_cast<std::uint64_t>(here), std::move(bytes));
    return done;
  }
  const ssize_t done = at < 0 ? ::syscall(SYS_writev, fd, parts, count)
                              : ::syscall(SYS_pwritev, fd, parts, count, at, 0);
  if (done <= 0 || !recorder) return done;
  recorder->written(fd, static_cast<std::uint64_t>(at),
                    joined(parts, count).substr(0, static_cast<std::size_t>(done)));
  return done;
}

int resize_file(int fd, off_t size) {
  const Locked recorder;
  const int result = call(SYS_ftruncate, fd, size);
  if (result == 0 && recorder) recorder->resized(fd, static_cast<std::uint64_t>(size));
  return result;
}

// A sync that failed says nothing about the disk.
int sync_file(long number, int fd) {
  const Locked recorder;
  const int result = fast_disks > 0 ? 0 : call(number, fd);
  if (result == 0 && recorder) recorder->synced(fd);
  return result;
}

template <typename... Args>
int name_file(Kind kind, const char* path, const char* from, long number, Args... args) {
  const Locked recorder;
  const int result = call(number, args...);
  if (result == 0 && recorder) recorder->named(kind, path, from);
  return result;
}

}  // namespace
}  // namespace layby::testing

// With large file support the compiler calls open64 for open; libraries may call either. On the
// platforms of Layby, a variadic call may reach a C function with fixed parameters.
extern "C" {
namespace calls = layby::testing;
using Kind = calls::DiskOp::Kind;

int layby_open(const char* path, int flags, mode_t mode) __asm__("open");
int layby_open64(const char* path, int flags, mode_t mode) __asm__("open64");
int layby_openat(int folder, const char* path, int flags, mode_t mode) __asm__("openat");
int layby_openat64(int folder, const char* path, int flags, mode_t mode) __asm__("openat64");
ssize_t layby_write(int fd, const void* data, size_t size) __asm__("write");
ssize_t layby_writev(int fd, const iovec* parts, int count) __asm__("writev");
ssize_t layby_pwrite(int fd, const void* data, size_t size, off_t at) __asm__("pwrite");
ssize_t layby_pwrite64(int fd, const void* data, size_t size, off_t at) __asm__("pwrite64");
ssize_t layby_pwritev(int fd, const iovec* parts, int count, off_t at) __asm__("pwritev");
ssize_t layby_pwritev64(int fd, const iovec* parts, int count, off_t at) __asm__("pwritev64");
int layby_ftruncate(int fd, off_t size) __asm__("ftruncate");
int layby_ftruncate64(int fd, off_t size) __asm__("ftruncate64");
int layby_fsync(int fd) __asm__("fsync");
int layby_fdatasync(int fd) __asm__("fdatasync");
int layby_link(const char* from, const char* to) __asm__("link");
int layby_rename(const char* from, const char* to) __asm__("rename");
int layby_unlink(const char* path) __asm__("unlink");
int layby_unlinkat(int folder, const char* path, int flags) __asm__("unlinkat");
int layby_mkdir(const char* path, mode_t mode) __asm__("mkdir");
int layby_rmdir(const char* path) __asm__("rmdir");

int layby_open(const char* path, int flags, mode_t mode) {
  return calls::open_file(AT_FDCWD, path, flags, mode);
}
int layby_open64(const char* path, int flags, mode_t mode) {
  return calls::open_file(AT_FDCWD, path, flags, mode);
}
int layby_openat(int folder, const char* path, int flags, mode_t mode) {
  return calls::open_file(folder, path, flags, mode);
}
int layby_openat64(int folder, const char* path, int flags, mode_t mode) {
  return calls::open_file(folder, path, flags, mode);
}
ssize_t layby_write(int fd, const void* data, size_t size) {
  const iovec part{const_cast<void*>(data), size};
  return calls::write_file(fd, &part, 1, -1);
}
ssize_t layby_writev(int fd, const iovec* parts, int count) {
  return calls::write_file(fd, parts, count, -1);
}
ssize_t layby_pwrite(int fd, const void* data, size_t size, off_t at) {
  const iovec part{const_cast<void*>(data), size};
  return calls::write_file(fd, &part, 1, at);
}
ssize_t layby_pwrite64(int fd, const void* data, size_t size, off_t at) {
  return layby_pwrite(fd, data, size, at);
}
ssize_t layby_pwritev(int fd, const iovec* parts, int count, off_t at) {
  return calls::write_file(fd, parts, count, at);
}
ssize_t layby_pwritev64(int fd, const iovec* parts, int count, off_t at) {
  return calls::write_file(fd, parts, count, at);
}
int layby_ftruncate(int fd, off_t size) { return calls::resize_file(fd, size); }
int layby_ftruncate64(int fd, off_t size) { return calls::resize_file(fd, size); }
int layby_fsync(int fd) { return calls::sync_file(SYS_fsync, fd); }
int layby_fdatasync(int fd) { return calls::sync_file(SYS_fdatasync, fd); }
int layby_link(const char* from, const char* to) {
  return calls::name_file(Kind::kLink, to, from, SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int layby_rename(const char* from, const char* to) {
  return calls::name_file(Kind::kRename, to, from, SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int layby_unlink(const char* path) {
  return calls::name_file(Kind::kUnlink, path, "", SYS_unlinkat, AT_FDCWD, path, 0);
}
int layby_unlinkat(int folder, const char* path, int flags) {
  const Kind kind = (flags & AT_REMOVEDIR) != 0 ? Kind::kRemoveFolder : Kind::kUnlink;
  const std::string whole = calls::active != nullptr ? calls::absolute(folder, path) : "";
  return calls::name_file(kind, whole.c_str(), "", SYS_unlinkat, folder, path, flags);
}
int layby_mkdir(const char* path, mode_t mode) {
  return calls::name_file(Kind::kMakeFolder, path, "", SYS_mkdirat, AT_FDCWD, path, mode);
}
int layby_rmdir(const char* path) {
  return calls::name_file(Kind::kRemoveFolder, path, "", SYS_unlinkat, AT_FDCWD, path,
                          AT_REMOVEDIR);
}
}
