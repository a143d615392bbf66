// SPDX-License-Identifier: Apache-2.0
//
// A disk that fails on demand, for the store and for LMDB. If an executable's only source file
// includes this header, the executable calls the functions below instead of libc's functions. The
// functions fail for files whose path contains a given part. Usable from any thread.

#ifndef LAYBY_TESTS_STORE_DISK_FAULTS_H_
#define LAYBY_TESTS_STORE_DISK_FAULTS_H_

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace layby::testing {

enum class DiskCall { kWrite, kSyncData, kSyncFolder, kLink };

// While a DiskFault exists, `call` on a file whose path contains `path_part` fails with `code`.
// Writes of more than `max_bytes` succeed.
class DiskFault {
 public:
  DiskFault(DiskCall call, std::string path_part, int code, std::size_t max_bytes = SIZE_MAX)
      : call_(call), path_part_(std::move(path_part)), code_(code), max_bytes_(max_bytes) {
    const std::lock_guard lock(mutex());
    place_ = all().insert(all().end(), this);
  }
  ~DiskFault() {
    const std::lock_guard lock(mutex());
    all().erase(place_);
  }
  DiskFault(const DiskFault&) = delete;
  DiskFault& operator=(const DiskFault&) = delete;

  // The number of calls that this DiskFault made fail.
  int hits() const {
    const std::lock_guard lock(mutex());
    return hits_;
  }

  // The errno of a call that must fail, else 0. `bytes` is the length of a write.
  static int find(DiskCall call, std::string_view path, std::size_t bytes) {
    const std::lock_guard lock(mutex());
    for (DiskFault* fault : all()) {
      if (fault->call_ != call || bytes > fault->max_bytes_) continue;
      if (path.find(fault->path_part_) == std::string_view::npos) continue;
      ++fault->hits_;
      return fault->code_;
    }
    return 0;
  }
  static int find(DiskCall call, int fd, std::size_t bytes) {
    char path[4096];
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
    return size < 0 ? 0 : find(call, std::string_view(path, static_cast<std::size_t>(size)), bytes);
  }

 private:
  // Mutex and list are never destroyed, so static objects may use them until the process ends.
  static std::mutex& mutex() {
    static auto* const mutex = new std::mutex;
    return *mutex;
  }
  static std::list<DiskFault*>& all() {
    static auto* const faults = new std::list<DiskFault*>;
    return *faults;
  }

  const DiskCall call_;
  const std::string path_part_;
  const int code_;
  const std::size_t max_bytes_;
  int hits_ = 0;
  std::list<DiskFault*>::iterator place_;
};

// The last write of an LMDB commit has at most this many bytes; every page is larger.
inline constexpr std::size_t kMetaBytes = 1024;

namespace faults {

inline bool strikes(DiskCall call, int fd, std::size_t bytes = 0) {
  const int code = DiskFault::find(call, fd, bytes);
  if (code != 0) errno = code;
  return code != 0;
}

}  // namespace faults
}  // namespace layby::testing

// With large file support the compiler calls pwrite64 for pwrite; libraries may call either.
extern "C" {
ssize_t layby_pwrite(int fd, const void* data, size_t size, off_t offset) __asm__("pwrite");
ssize_t layby_pwrite64(int fd, const void* data, size_t size, off_t offset) __asm__("pwrite64");
ssize_t layby_writev(int fd, const iovec* parts, int count) __asm__("writev");
int layby_fdatasync(int fd) __asm__("fdatasync");
int layby_fsync(int fd) __asm__("fsync");
int layby_link(const char* from, const char* to) __asm__("link");

ssize_t layby_pwrite(int fd, const void* data, size_t size, off_t offset) {
  if (layby::testing::faults::strikes(layby::testing::DiskCall::kWrite, fd, size)) return -1;
  return ::syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t layby_pwrite64(int fd, const void* data, size_t size, off_t offset) {
  return layby_pwrite(fd, data, size, offset);
}

ssize_t layby_writev(int fd, const iovec* parts, int count) {
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  if (layby::testing::faults::strikes(layby::testing::DiskCall::kWrite, fd, size)) return -1;
  return ::syscall(SYS_writev, fd, parts, count);
}

int layby_fdatasync(int fd) {
  if (layby::testing::faults::strikes(layby::testing::DiskCall::kSyncData, fd)) return -1;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

int layby_fsync(int fd) {
  if (layby::testing::faults::strikes(layby::testing::DiskCall::kSyncFolder, fd)) return -1;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

int layby_link(const char* from, const char* to) {
  const int code = layby::testing::DiskFault::find(layby::testing::DiskCall::kLink, to, 0);
  if (code != 0) {
    errno = code;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}
}

#endif  // LAYBY_TESTS_STORE_DISK_FAULTS_H_
