// SPDX-License-Identifier: Apache-2.0
//
// Each portion of bytes is written and hashed in one pass, while the bytes are in the CPU's cache.

#include "store/fill_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>
#include <vector>

#include "layby/base/log.h"
#include "store/disk_error.h"

namespace layby::store {
namespace {

constexpr std::size_t kCopyBytes = 256 * 1024;
// The writeback interval: short enough for a quick final sync, long enough for long writes.
constexpr std::uint64_t kWritebackBytes = 8 << 20;

}  // namespace

FillFile::FillFile(BlobFiles& files, oci::Digest digest, std::optional<std::uint64_t> indexed_bytes,
                   const std::atomic<bool>& stopped)
    : files_(files),
      digest_(std::move(digest)),
      indexed_bytes_(indexed_bytes),
      stopped_(stopped),
      sha_(digest_.kind()) {}

// If the disk fails, the blob goes to memory, so that the clients still get the blob.
Status FillFile::open() {
  assert(!file_ && !tail_ && size_bytes_ == 0);
  Status opened = open_on_disk();
  if (opened.ok() || opened.error().code == ErrorCode::kCancelled) return opened;
  file_.reset();
  sha_ = Sha(digest_.kind());
  size_bytes_ = 0;
  place_ = Place::kPartial;
  return stop_keeping(opened.error());
}

Status FillFile::open_on_disk() {
  if (Status cleared = files_.clear_published(digest_); !cleared) return cleared;
  Result<UniqueFd> published = files_.open_published(digest_);
  if (!published) return std::move(published).error();
  if (*published) {
    place_ = Place::kPublished;
    return open_existing(*std::move(published));
  }
  Result<UniqueFd> partial = files_.find_partial(digest_);
  if (!partial) return std::move(partial).error();
  if (!*partial) return {};
  // The new modification time protects the file from the deletion of old partial files.
  if (::futimens(partial->get(), nullptr) != 0) return disk_error("touch", path(), errno);
  return open_existing(*std::move(partial));
}

Status FillFile::open_existing(UniqueFd fd) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return disk_error("look at", path(), errno);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  file_ = std::make_shared<DiskFile>(std::move(fd));
  if (place_ == Place::kPublished && indexed_bytes_ == size) {
    place_ = Place::kIndexed;
    size_bytes_ = size;
    return {};
  }
  return hash_kept();
}

Status FillFile::hash_kept() {
  ::posix_fadvise(file_->fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
  std::vector<char> buffer(kCopyBytes);
  for (;;) {
    if (stopped_) return Error{ErrorCode::kCancelled, "nobody wants " + digest_.str()};
    const ssize_t got =
        ::pread(file_->fd(), buffer.data(), buffer.size(), static_cast<off_t>(size_bytes_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return disk_error("read", path(), errno);
    if (got == 0) break;
    sha_.update({buffer.data(), static_cast<std::size_t>(got)});
    size_bytes_ += static_cast<std::uint64_t>(got);
  }
  writeback_bytes_ = size_bytes_;
  return {};
}

Status FillFile::write(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (place_ == Place::kIndexed) {
    return Error{ErrorCode::kInvalid, digest_.str() + " is stored already, with fewer bytes"};
  }
  if (place_ == Place::kPublished) {
    discard();
    return Error{ErrorCode::kCorrupt, path() + " has lost its end; it is deleted"};
  }
  if (!tail_) {
    Status written = write_to_disk(bytes);
    if (file_) start_writeback();
    if (written.ok()) return written;
    if (Status turned = stop_keeping(written.error()); !turned) return turned;
  }
  assert(tail_ && tail_->first_byte() <= size_bytes_);
  sha_.update(bytes);
  if (Status written = tail_->write(bytes, size_bytes_); !written) return unkept_reason_;
  size_bytes_ += bytes.size();
  return {};
}

// Upstream may send the first byte much later than open(), and a file without a byte would waste
// an inode and a descriptor until then.
Status FillFile::create() {
  assert(!file_ && place_ == Place::kPartial);
  Result<UniqueFd> partial = files_.open_partial(digest_);
  if (!partial) return std::move(partial).error();
  file_ = std::make_shared<DiskFile>(*std::move(partial));
  return {};
}

// Removes the written bytes from the front of `bytes`. Size and hash match the file even when the
// disk takes only a part of `bytes`.
Status FillFile::write_to_disk(std::string_view& bytes) {
  assert(!tail_ && place_ == Place::kPartial);
  if (!file_) {
    if (Status created = create(); !created) return created;
  }
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(file_->fd(), bytes.data(), bytes.size(), static_cast<off_t>(size_bytes_));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return disk_error("write", path(), written < 0 ? errno : EIO);
    const auto count = static_cast<std::size_t>(written);
    sha_.update(bytes.substr(0, count));
    size_bytes_ += count;
    disk_bytes_written_ += count;
    files_.partial_bytes() += count;
    bytes.remove_prefix(count);
  }
  return {};
}

Status FillFile::stop_keeping(Error reason) {
  if (tail_ || place_ != Place::kPartial) return {};
  Result<std::shared_ptr<MemoryTail>> tail = MemoryTail::make(size_bytes_);
  if (!tail) return reason;
  tail_ = *std::move(tail);
  unkept_reason_ = std::move(reason);
  return {};
}

bool FillFile::is_whole() const {
  if (place_ == Place::kIndexed) return true;
  return size_bytes_ > 0 && !tail_ && sha_.hex_so_far() == digest_.hex();
}

// sync_file_range() is only a hint to the kernel, so its result is ignored. The sync in publish()
// finds errors.
void FillFile::start_writeback() {
  assert(writeback_bytes_ <= size_bytes_);
  if (size_bytes_ - writeback_bytes_ < kWritebackBytes) return;
  ::sync_file_range(file_->fd(), static_cast<off_t>(writeback_bytes_),
                    static_cast<off_t>(size_bytes_ - writeback_bytes_), SYNC_FILE_RANGE_WRITE);
  writeback_bytes_ = size_bytes_;
}

Status FillFile::verify() {
  if (place_ == Place::kIndexed) return {};
  const std::string hex = sha_.finish_hex();
  if (hex == digest_.hex()) return {};
  discard();
  return Error{ErrorCode::kCorrupt, "the " + std::to_string(size_bytes_) + " bytes written as " +
                                        digest_.str() + " have the digest " + hex +
                                        "; they are deleted, so fetch the blob again"};
}

Status FillFile::publish() {
  assert(!tail_);
  if (place_ == Place::kIndexed) return {};
  if (!file_) {  // The blob is empty.
    if (Status created = create(); !created) return created;
  }
  if (Status synced = files_.sync_data(file_->fd(), path()); !synced) {
    // The kernel reports a failed write once and may then call the page clean, so the file
    // may read back correctly and still not be on the disk.
    discard();
    return synced;
  }
  if (place_ == Place::kPublished) return files_.sync_published_name(digest_);
  return files_.publish(digest_);
}

// Called also for a file that open() found in blobs/: an earlier fill may have left the file's
// partial name.
void FillFile::settle() {
  if (Status removed = files_.remove_partial(digest_); !removed) {
    log::warn("{}", removed.error().message);
  }
}

void FillFile::discard() {
  if (place_ != Place::kPartial) {
    const Status removed = files_.remove_published(digest_);
    if (!removed) log::warn("{}", removed.error().message);
  }
  settle();  // A published file may still have its partial name.
}

std::string FillFile::path() const {
  return place_ == Place::kPartial ? files_.partial_path(digest_) : files_.published_path(digest_);
}

}  // namespace layby::store
