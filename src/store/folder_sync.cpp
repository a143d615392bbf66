// SPDX-License-Identifier: Apache-2.0
//
// A folder is opened for reading: the kernel refuses to open it for writing.

#include "store/folder_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "layby/base/fd.h"
#include "store/disk_error.h"

namespace layby::store {

Status sync_folder(const std::string& path) { return sync_folder(path, ::fsync); }

Status sync_folder(const std::string& path, int (*sync)(int fd)) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return disk_error("open directory", path, errno);
  if (sync(fd.get()) == 0) return {};
  return disk_error("sync directory", path, errno);
}

}  // namespace layby::store
