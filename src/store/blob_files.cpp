// SPDX-License-Identifier: Apache-2.0
//
// Makes POSIX calls, and translates their failures into Errors. A file's name is durable after a
// sync of its directory, and a directory's name after a sync of its parent.

#include "store/blob_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "layby/base/log.h"
#include "store/aside.h"
#include "store/disk_error.h"
#include "store/folder_sync.h"

namespace layby::store {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using DirectoryPtr = std::unique_ptr<DIR, CloseDirectory>;

// The name of a digest's file in partial/ and quarantine/.
std::string flat_name(const oci::Digest& digest) {
  std::string name(digest.algorithm());
  name += '-';
  name += digest.hex();
  return name;
}

// The digest in a file name like "sha256-9f86d0…".
std::optional<oci::Digest> digest_of_name(std::string name) {
  const auto dash = name.find('-');
  if (dash == std::string::npos) return std::nullopt;
  name[dash] = ':';
  return oci::Digest::parse(name);
}

WallTime written_at(const struct stat& info) {
  return WallTime(std::chrono::seconds(info.st_mtim.tv_sec));
}

std::optional<struct stat> look_at(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
  return info;
}

// Follows a symbolic link, since an operator may keep a folder elsewhere.
bool is_folder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return disk_error("delete", path, errno);
}

}  // namespace

DiskCalls DiskCalls::real() { return {::fdatasync, ::fsync, ::link}; }

bool DiskFile::is_in_place(std::uint64_t size_bytes) const {
  struct stat info {};
  return ::fstat(fd(), &info) == 0 && info.st_nlink > 0 &&
         static_cast<std::uint64_t>(info.st_size) == size_bytes;
}

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
  return data_dir_ + "/partial/" + flat_name(digest);
}

Result<UniqueFd> BlobFiles::open_published(const oci::Digest& digest) const {
  return open_regular(published_path(digest), O_RDONLY);
}

Result<UniqueFd> BlobFiles::open_partial(const oci::Digest& digest) const {
  const std::string path = partial_path(digest);
  constexpr int kFlags = O_RDWR | O_CREAT;
  Result<UniqueFd> fd = open_regular(path, kFlags);
  if (!fd && fd.error().code == ErrorCode::kCorrupt) {
    if (Status cleared = clear_place(data_dir_, path); !cleared) return cleared.error();
    fd = open_regular(path, kFlags);
  }
  // The folder partial/ is missing.
  if (fd && !*fd) return disk_error("open", path, ENOENT);
  return fd;
}

Status BlobFiles::clear_published(const oci::Digest& digest) const {
  const std::string path = published_path(digest);
  if (!is_wrong_thing(path)) return {};
  log::warn("{} is no regular file; it goes to {}/quarantine", path, data_dir_);
  return move_to_quarantine(data_dir_, path, flat_name(digest));
}

Result<UniqueFd> BlobFiles::find_partial(const oci::Digest& digest) const {
  const std::string path = partial_path(digest);
  Result<UniqueFd> fd = open_regular(path, O_RDWR);
  if (fd || fd.error().code != ErrorCode::kCorrupt) return fd;
  if (Status cleared = clear_place(data_dir_, path); !cleared) return cleared.error();
  return UniqueFd();
}

Status BlobFiles::sync_data(int fd, const std::string& path) const {
  if (calls_.sync_data(fd) == 0) return {};
  return disk_error("sync", path, errno);
}

Status BlobFiles::publish(const oci::Digest& digest) {
  if (Status made = make_shelf(digest); !made) return made;
  const std::string from = partial_path(digest);
  const std::string to = published_path(digest);
  if (calls_.link(from.c_str(), to.c_str()) != 0) {
    return disk_error("link " + from + " to", to, errno);
  }
  return sync_directory(shelf_path(digest));
}

Status BlobFiles::quarantine(const oci::Digest& digest, std::uint64_t inode) const {
  const std::string from = published_path(digest);
  const auto info = look_at(from);
  if (!info || info->st_ino != inode) return {};
  return move_to_quarantine(data_dir_, from, flat_name(digest));
}

void BlobFiles::clear_quarantine() const { empty_quarantine(data_dir_); }

Status BlobFiles::sync_published_name(const oci::Digest& digest) {
  if (Status made = make_shelf(digest); !made) return made;
  return sync_directory(shelf_path(digest));
}

// Each process syncs the name of a shelf once, even if an earlier process made the folder, and
// again whenever the folder is made anew.
Status BlobFiles::make_shelf(const oci::Digest& digest) {
  const std::string path = shelf_path(digest);
  bool made = ::mkdir(path.c_str(), 0750) == 0;
  if (!made && errno == EEXIST && !is_folder(path)) {
    const std::string name =
        std::string(digest.algorithm()) + "-" + std::string(digest.hex(), 0, 2);
    log::warn("{} is no folder; it goes to {}/quarantine", path, data_dir_);
    if (Status moved = move_to_quarantine(data_dir_, path, name); !moved) return moved;
    made = ::mkdir(path.c_str(), 0750) == 0;
  }
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
  return sync_folder(path, calls_.sync_directory);
}

Status BlobFiles::remove_published(const oci::Digest& digest) const {
  if (Status cleared = clear_published(digest); !cleared) return cleared;
  return remove_file(published_path(digest));
}

Status BlobFiles::sync_removals(const std::vector<oci::Digest>& digests) const {
  std::set<std::string> shelves;
  for (const oci::Digest& digest : digests) shelves.insert(shelf_path(digest));
  for (const std::string& shelf : shelves) {
    if (::access(shelf.c_str(), F_OK) != 0) continue;  // A missing shelf needs no sync.
    if (Status synced = sync_directory(shelf); !synced) return synced;
  }
  return sync_directory(data_dir_ + "/partial");
}

Status BlobFiles::remove_partial(const oci::Digest& digest) {
  const std::string path = partial_path(digest);
  if (Status cleared = clear_place(data_dir_, path); !cleared) return cleared;
  const auto info = look_at(path);
  if (Status gone = remove_file(path); !gone) return gone;
  if (!info) return {};
  // The sum doesn't fall below 0. A file that another program put into partial/ was never added to
  // the sum.
  const auto size = static_cast<std::uint64_t>(info->st_size);
  std::uint64_t sum = partial_bytes_;
  while (!partial_bytes_.compare_exchange_weak(sum, sum - std::min(sum, size))) {
  }
  return {};
}

Status BlobFiles::remove_partial_older_than(const oci::Digest& digest, WallTime before,
                                            bool indexed) {
  const std::string path = partial_path(digest);
  const auto info = look_at(path);
  if (!info || written_at(*info) >= before) return {};
  log::info("deleting the old partial file {}: no fill has resumed it", path);
  if (info->st_nlink > 1 && !indexed) {
    if (Status gone = remove_published(digest); !gone) return gone;
  }
  return remove_partial(digest);
}

void BlobFiles::each_file(const std::string& folder,
                          const std::function<void(const std::string& name)>& visit) const {
  const DirectoryPtr directory(::opendir(folder.c_str()));
  if (!directory) return;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") visit(name);
  }
}

std::vector<PartialFile> BlobFiles::list_partials(WallTime before) const {
  std::vector<PartialFile> found;
  const std::string folder = data_dir_ + "/partial";
  each_file(folder, [&](const std::string& name) {
    const std::string path = folder + "/" + name;
    const auto info = look_at(path);
    if (!info) return;
    if (!S_ISREG(info->st_mode)) {
      if (Status cleared = clear_place(data_dir_, path); !cleared) {
        log::warn("{}", log::printable(cleared.error().message));
      }
      return;
    }
    if (std::optional<oci::Digest> digest = digest_of_name(name)) {
      found.push_back({*std::move(digest), static_cast<std::uint64_t>(info->st_size),
                       written_at(*info), info->st_nlink > 1});
    } else if (written_at(*info) < before) {
      if (Status gone = remove_file(path); !gone) {
        log::warn("{}", log::printable(gone.error().message));
      }
    }
  });
  return found;
}

std::vector<oci::Digest> BlobFiles::list_shelf(ShaKind kind, int number) const {
  assert(number >= 0 && number < kShelves);
  std::vector<oci::Digest> found;
  constexpr std::string_view kHex = "0123456789abcdef";
  const std::string algorithm = kind == ShaKind::kSha256 ? "sha256" : "sha512";
  const std::string shelf{kHex[static_cast<std::size_t>(number) / 16],
                          kHex[static_cast<std::size_t>(number) % 16]};
  each_file(data_dir_ + "/blobs/" + algorithm + "/" + shelf, [&](const std::string& name) {
    const auto digest = oci::Digest::parse(algorithm + ":" + name);
    if (digest && digest->hex().starts_with(shelf)) found.push_back(*digest);
  });
  return found;
}

}  // namespace layby::store
