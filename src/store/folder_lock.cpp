// SPDX-License-Identifier: Apache-2.0
//
// The lock uses flock, since an fcntl lock is lost when any code of the process closes a descriptor
// of the file.

#include "store/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include "store/aside.h"
#include "store/disk_error.h"

namespace layby::store {
namespace {

Error held_by_other(const std::string& data_dir, int fd) {
  std::string holder(32, '\0');
  const ssize_t got = ::pread(fd, holder.data(), holder.size(), 0);
  holder.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return {ErrorCode::kUnavailable,
          "another layby" + (holder.empty() ? std::string() : " (process " + holder + ")") +
              " uses " + data_dir + "; stop that layby, or give this one another data_dir"};
}

}  // namespace

Result<UniqueFd> lock_folder(const std::string& data_dir) {
  const std::string path = data_dir + "/lock";
  if (Status cleared = clear_place(data_dir, path); !cleared) return cleared.error();
  Result<UniqueFd> opened = open_regular(path, O_RDWR | O_CREAT);
  if (!opened) return std::move(opened).error();
  if (!*opened) return disk_error("open", path, ENOENT);
  UniqueFd fd = *std::move(opened);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return held_by_other(data_dir, fd.get());
    return disk_error("lock", path, errno);
  }
  if (::ftruncate(fd.get(), 0) != 0) return disk_error("write", path, errno);
  // The process id only helps the reader of an error, so a full disk must not stop a start.
  [[maybe_unused]] const Status named = write_at(fd.get(), std::to_string(::getpid()), 0);
  return fd;
}

}  // namespace layby::store
