// SPDX-License-Identifier: Apache-2.0
//
// File descriptors that close themselves, and functions for files that several modules use. These
// functions may block, so the loop thread must not call them.

#ifndef LAYBY_BASE_FD_H_
#define LAYBY_BASE_FD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "layby/base/result.h"

namespace layby {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// Writes all of `data` at `offset`; continues after EINTR and short writes.
Status write_at(int fd, std::string_view data, std::uint64_t offset);

// Opens a regular file for reading. Returns kInvalid at once for anything else at `path`: a FIFO, a
// folder, a device.
Result<UniqueFd> open_regular(const std::string& path);

// Reads a whole regular file of at most `max_bytes`. Returns kInvalid for a larger file, and for
// anything other than a regular file.
Result<std::string> read_file(const std::string& path, std::uint64_t max_bytes);

// Makes `path` and its missing parents with mode 0750. Succeeds if the directory `path` exists.
Status make_directories(const std::string& path);

}  // namespace layby

#endif  // LAYBY_BASE_FD_H_
