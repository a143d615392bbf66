// SPDX-License-Identifier: Apache-2.0
//
// The lock uses flock, since an fcntl lock is lost when any code of the process closes a descriptor
// of the file.

#include "store/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "store/disk_error.h"

namespace layby::store {
namespace {

Error held_by_other(const std::string& data_dir, const std::string& path) {
  constexpr std::uint64_t kMaxNumberBytes = 32;
  const Result<std::string> holder = read_file(path, kMaxNumberBytes);
  const bool known = holder.ok() && !holder->empty();
  return {ErrorCode::kUnavailable,
          "another layby" + (known ? " (process " + *holder + ")" : std::string()) + " uses " +
              data_dir + "; stop that layby, or give this one another data_dir"};
}

}  // namespace

Result<UniqueFd> lock_folder(const std::string& data_dir) {
  const std::string path = data_dir + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd) return disk_error("open", path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return held_by_other(data_dir, path);
    return disk_error("lock", path, errno);
  }
  if (::ftruncate(fd.get(), 0) != 0) return disk_error("write", path, errno);
  // The process id only helps the reader of an error, so a full disk must not stop a start.
  [[maybe_unused]] const Status named = write_at(fd.get(), std::to_string(::getpid()), 0);
  return fd;
}

}  // namespace layby::store
