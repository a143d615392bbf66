// SPDX-License-Identifier: Apache-2.0
//
// If a folder is deleted, its content is deleted too. If a symbolic link is deleted, its target
// stays.

#include "store/aside.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "layby/base/log.h"
#include "store/disk_error.h"

namespace layby::store {
namespace {

constexpr std::size_t kMaxQuarantined = 16;

// Uses O_NOATIME for reading, so that the read of a blob doesn't write the blob's inode. Only the
// file's owner may use O_NOATIME.
int open_at_once(const char* path, int flags) {
  const int all = flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  if ((flags & O_ACCMODE) != O_RDONLY) return ::open(path, all, 0640);
  const int fd = ::open(path, all | O_NOATIME);
  return fd >= 0 || errno != EPERM ? fd : ::open(path, all);
}

Error wrong_thing(const std::string& path) {
  return {ErrorCode::kCorrupt, path + " is no regular file"};
}

Status remove_thing(const std::string& path) {
  std::error_code failure;
  std::filesystem::remove_all(path, failure);
  return failure ? disk_error("delete", path, failure.value()) : Status();
}

std::vector<std::string> list_quarantine(const std::string& folder) {
  std::vector<std::tuple<time_t, long, std::string>> found;  // Time of the last change, and path.
  std::error_code failure;
  std::filesystem::directory_iterator at(folder, failure);
  for (; !failure && at != std::filesystem::directory_iterator(); at.increment(failure)) {
    struct stat info {};
    const std::string path = at->path().string();
    if (::lstat(path.c_str(), &info) != 0) continue;
    found.emplace_back(info.st_ctim.tv_sec, info.st_ctim.tv_nsec, path);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> paths;
  paths.reserve(found.size());
  for (auto& entry : found) paths.push_back(std::move(std::get<std::string>(entry)));
  return paths;
}

}  // namespace

Result<UniqueFd> open_regular(const std::string& path, int flags) {
  UniqueFd fd(open_at_once(path.c_str(), flags));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return fd;
  // ELOOP: a symbolic link. ENXIO: a socket, or a device without hardware.
  if (!fd && (errno == ELOOP || errno == ENXIO || errno == EISDIR)) return wrong_thing(path);
  if (!fd) return disk_error("open", path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return disk_error("look at", path, errno);
  if (!S_ISREG(info.st_mode)) return wrong_thing(path);
  return fd;
}

bool is_wrong_thing(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
}

Status move_to_quarantine(const std::string& data_dir, const std::string& path,
                          const std::string& name) {
  const std::string folder = data_dir + "/quarantine";
  if (Status made = make_directories(folder); !made) return made;
  const std::string to = folder + "/" + name;
  // A folder can't be renamed over a file, and a file can't be renamed over a folder.
  if (is_wrong_thing(to) || is_wrong_thing(path)) {
    if (Status gone = remove_thing(to); !gone) return gone;
  }
  const std::vector<std::string> kept = list_quarantine(folder);
  for (std::size_t i = 0; i + kMaxQuarantined <= kept.size(); ++i) {
    if (Status gone = remove_thing(kept[i]); !gone) return gone;
  }
  if (std::rename(path.c_str(), to.c_str()) == 0 || errno == ENOENT) return {};
  return disk_error("move to quarantine", path, errno);
}

Status clear_place(const std::string& data_dir, const std::string& path) {
  if (!is_wrong_thing(path)) return {};
  log::warn("{} is no regular file; it goes to {}/quarantine", log::printable(path), data_dir);
  return move_to_quarantine(data_dir, path, path.substr(path.rfind('/') + 1));
}

void empty_quarantine(const std::string& data_dir) {
  for (const std::string& path : list_quarantine(data_dir + "/quarantine")) {
    if (Status gone = remove_thing(path); !gone) {
      log::warn("{}", log::printable(gone.error().message));
    }
  }
}

}  // namespace layby::store
