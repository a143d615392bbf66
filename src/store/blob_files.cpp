// SPDX-License-Identifier: Apache-2.0
//
// Plain POSIX calls with their errors. A name is durable when the directory that holds
// it is synced, and a directory's own name when its parent is.

#include "store/blob_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "layby/base/log.h"
#include "store/disk_error.h"

namespace layby::store {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using DirectoryPtr = std::unique_ptr<DIR, CloseDirectory>;

// Reading a blob shouldn't write its inode; the kernel allows that to the file's owner.
int open_for_reading(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME);
  if (fd >= 0 || errno != EPERM) return fd;
  return ::open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

// "sha256-9f86d0…" as a digest.
std::optional<oci::Digest> digest_of_name(std::string name) {
  const auto dash = name.find('-');
  if (dash == std::string::npos) return std::nullopt;
  name[dash] = ':';
  return oci::Digest::parse(name);
}

std::optional<WallTime> written_at(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
  return WallTime(std::chrono::seconds(info.st_mtim.tv_sec));
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return disk_error("delete", path, errno);
}

}  // namespace

DiskCalls DiskCalls::real() { return {::fdatasync, ::fsync, std::rename}; }

BlobFiles::BlobFiles(std::string data_dir, DiskCalls calls)
    : data_dir_(std::move(data_dir)), calls_(calls) {}

Status BlobFiles::prepare() {
  for (const char* name : {"/partial", "/blobs/sha256", "/blobs/sha512"}) {
    if (Status made = make_directories(data_dir_ + name); !made) return made;
  }
  if (Status synced = sync_directory(data_dir_ + "/blobs"); !synced) return synced;
  return sync_directory(data_dir_);
}

std::string BlobFiles::shelf_path(const oci::Digest& digest) const {
  std::string path = data_dir_ + "/blobs/";
  path += digest.algorithm();
  path += '/';
  path += digest.hex().substr(0, 2);
  return path;
}

std::string BlobFiles::published_path(const oci::Digest& digest) const {
  std::string path = shelf_path(digest);
  path += '/';
  path += digest.hex();
  return path;
}

std::string BlobFiles::partial_path(const oci::Digest& digest) const {
  std::string path = data_dir_ + "/partial/";
  path += digest.algorithm();
  path += '-';
  path += digest.hex();
  return path;
}

Result<UniqueFd> BlobFiles::open_published(const oci::Digest& digest) const {
  const std::string path = published_path(digest);
  UniqueFd fd(open_for_reading(path.c_str()));
  if (!fd && errno != ENOENT && errno != ENOTDIR) return disk_error("open", path, errno);
  return fd;
}

Result<UniqueFd> BlobFiles::open_partial(const oci::Digest& digest) const {
  const std::string path = partial_path(digest);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd) return disk_error("open", path, errno);
  return fd;
}

Status BlobFiles::sync_data(int fd, const std::string& path) const {
  if (calls_.sync_data(fd) == 0) return {};
  return disk_error("write to the disk", path, errno);
}

Status BlobFiles::publish(const oci::Digest& digest) {
  if (Status made = make_shelf(digest); !made) return made;
  const std::string from = partial_path(digest);
  const std::string to = published_path(digest);
  if (calls_.rename(from.c_str(), to.c_str()) != 0) {
    return disk_error("move " + from + " to", to, errno);
  }
  return sync_directory(shelf_path(digest));
}

Status BlobFiles::sync_published_name(const oci::Digest& digest) {
  if (Status made = make_shelf(digest); !made) return made;
  return sync_directory(shelf_path(digest));
}

// Whoever made the folder, its name is synced once a run, and again when it was deleted
// and made anew.
Status BlobFiles::make_shelf(const oci::Digest& digest) {
  const std::string path = shelf_path(digest);
  const bool made = ::mkdir(path.c_str(), 0750) == 0;
  if (!made && errno != EEXIST) return disk_error("make directory", path, errno);
  if (!made && is_durable(path)) return {};
  const std::string parent = path.substr(0, path.rfind('/'));
  if (Status synced = sync_directory(parent); !synced) return synced;
  const std::lock_guard lock(mutex_);
  durable_shelves_.insert(path);
  return {};
}

bool BlobFiles::is_durable(const std::string& shelf) {
  const std::lock_guard lock(mutex_);
  return durable_shelves_.contains(shelf);
}

Status BlobFiles::sync_directory(const std::string& path) const {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return disk_error("open directory", path, errno);
  if (calls_.sync_directory(fd.get()) == 0) return {};
  return disk_error("write to the disk the directory", path, errno);
}

Status BlobFiles::remove_published(const oci::Digest& digest) const {
  return remove_file(published_path(digest));
}

Status BlobFiles::remove_partial(const oci::Digest& digest) const {
  return remove_file(partial_path(digest));
}

Status BlobFiles::remove_partial_older_than(const oci::Digest& digest, WallTime before) const {
  const std::string path = partial_path(digest);
  const std::optional<WallTime> written = written_at(path);
  if (!written || *written >= before) return {};
  log::info("deleting {}, which nobody has taken up again", path);
  return remove_file(path);
}

std::vector<oci::Digest> BlobFiles::stale_partials(WallTime before) const {
  std::vector<oci::Digest> stale;
  const std::string folder = data_dir_ + "/partial";
  const DirectoryPtr directory(::opendir(folder.c_str()));
  if (!directory) return stale;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string path = folder + "/" + name;
    const std::optional<WallTime> written = written_at(path);
    if (!written || *written >= before) continue;
    if (std::optional<oci::Digest> digest = digest_of_name(name)) {
      stale.push_back(*std::move(digest));
    } else if (Status removed = remove_file(path); !removed) {
      log::warn("{}", log::printable(removed.error().message));
    }
  }
  return stale;
}

}  // namespace layby::store
