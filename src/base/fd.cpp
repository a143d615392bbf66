// SPDX-License-Identifier: Apache-2.0
//
// Calls on files over POSIX descriptors. Each call retries after a signal. Errors name the path, if
// the call has a path. The calls may block, so only helper threads and the start-up make them.

#include "layby/base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstddef>

namespace layby {
namespace {

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0750) == 0) return {};
  // An existing directory is fine, whoever made it. Every failure leads to this check, not only
  // EEXIST: a read-only parent gives EROFS or EACCES for an existing directory.
  const int failure = errno;
  if (is_directory(path)) return {};
  return errno_error("make directory " + path, failure);
}

// One read(), retried after a signal.
ssize_t read_some(int fd, char* buffer, std::size_t size) {
  ssize_t got = 0;
  do {
    got = ::read(fd, buffer, size);
  } while (got < 0 && errno == EINTR);
  return got;
}

const char* kind_of_file(mode_t mode) {
  if (S_ISFIFO(mode)) return "a named pipe (FIFO)";
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

void UniqueFd::reset(int fd) {
  assert(fd < 0 || fd != fd_);
  // On Linux, close() frees the descriptor even when it fails with EINTR. A second close()
  // could close a descriptor of another thread.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Status write_at(int fd, std::string_view data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t written = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return errno_error("write", written < 0 ? errno : EIO);
    data.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

// Without O_NONBLOCK, open() of a FIFO would wait for a writer. The flag has no effect on a regular
// file.
Result<UniqueFd> open_regular(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno_error("open " + path, errno);
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0) return errno_error("stat " + path, errno);
  if (S_ISREG(found.st_mode)) return fd;
  return Error{ErrorCode::kInvalid,
               path + " is not a regular file but " + kind_of_file(found.st_mode)};
}

Result<std::string> read_file(const std::string& path, std::uint64_t max_bytes) {
  const Result<UniqueFd> fd = open_regular(path);
  if (!fd.ok()) return fd.error();
  std::string content;
  std::array<char, 16384> buffer{};
  while (true) {
    const ssize_t got = read_some(fd->get(), buffer.data(), buffer.size());
    if (got < 0) return errno_error("read " + path, errno);
    if (got == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(got));
    if (content.size() > max_bytes) {
      return Error{ErrorCode::kInvalid,
                   path + " is larger than " + std::to_string(max_bytes) + " bytes"};
    }
  }
}

Status make_directories(const std::string& path) {
  if (path.empty()) return errno_error("make directory with an empty path", ENOENT);
  std::size_t end = 0;
  while (end != std::string::npos) {
    end = path.find('/', end + 1);
    if (Status made = make_directory(path.substr(0, end)); !made) return made;
  }
  return {};
}

}  // namespace layby
