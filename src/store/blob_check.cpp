// SPDX-License-Identifier: Apache-2.0
//
// After reading, a full piece is dropped from the page cache if its first byte wasn't cached
// before. So a check of all blobs doesn't displace the blobs that clients ask for.

#include "store/blob_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <utility>
#include <vector>

#include "layby/base/log.h"
#include "layby/base/sha.h"

namespace layby::store {
namespace {

constexpr std::size_t kPieceBytes = 4 << 20;
constexpr std::size_t kReadBytes = 256 << 10;

bool is_cached(int fd, std::uint64_t offset) {
  char byte = 0;
  iovec into{&byte, 1};
  return ::preadv2(fd, &into, 1, static_cast<off_t>(offset), RWF_NOWAIT) >= 0;
}

}  // namespace

// Reads one blob. Helper threads read one piece after another.
class BlobCheck::Job {
 public:
  Job(std::shared_ptr<Core> core, oci::Digest digest)
      : core_(std::move(core)), digest_(std::move(digest)), sha_(digest_.kind()) {}

  // Reads the next piece and returns the number of bytes read. Must not be called after the end.
  std::uint64_t read_piece();
  bool over() const { return over_; }
  CheckedBlob result() const { return {state_, size_bytes_, inode_}; }

 private:
  bool open();
  std::uint64_t end(BlobState state, std::uint64_t read_bytes);
  bool still_there() const;

  const std::shared_ptr<Core> core_;
  const oci::Digest digest_;
  Sha sha_;
  UniqueFd fd_;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t inode_ = 0;
  bool over_ = false;
  BlobState state_ = BlobState::kGone;
};

bool BlobCheck::Job::open() {
  assert(size_bytes_ == 0);
  Result<UniqueFd> fd = core_->files.open_published(digest_);
  if (!fd) {
    // The error, for example too many open files, says nothing about the blob's bytes.
    log::error("{}", fd.error().message);
    end(BlobState::kGone, 0);
    return false;
  }
  struct stat info {};
  if (!*fd || ::fstat(fd->get(), &info) != 0) {
    end(BlobState::kGone, 0);
    return false;
  }
  fd_ = *std::move(fd);
  inode_ = info.st_ino;
  ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return true;
}

std::uint64_t BlobCheck::Job::read_piece() {
  assert(!over_);
  if (!fd_ && !open()) return 0;
  std::vector<char> buffer(kReadBytes);
  const std::uint64_t from = size_bytes_;
  const bool was_cached = is_cached(fd_.get(), from);
  while (size_bytes_ - from < kPieceBytes) {
    const ssize_t got =
        ::pread(fd_.get(), buffer.data(), buffer.size(), static_cast<off_t>(size_bytes_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int failure = errno;
      log::error("{}",
                 errno_error("read " + core_->files.published_path(digest_), failure).message);
      return end(failure == EIO ? BlobState::kDamaged : BlobState::kGone, size_bytes_ - from);
    }
    if (got == 0) {
      const bool good = sha_.finish_hex() == digest_.hex();
      return end(good ? BlobState::kGood : BlobState::kDamaged, size_bytes_ - from);
    }
    sha_.update({buffer.data(), static_cast<std::size_t>(got)});
    size_bytes_ += static_cast<std::uint64_t>(got);
  }
  if (!was_cached) {
    ::posix_fadvise(fd_.get(), static_cast<off_t>(from), static_cast<off_t>(size_bytes_ - from),
                    POSIX_FADV_DONTNEED);
  }
  return size_bytes_ - from;
}

// A file that was replaced during the check counts as gone, not as damaged.
std::uint64_t BlobCheck::Job::end(BlobState state, std::uint64_t read_bytes) {
  assert(!over_);
  over_ = true;
  state_ = state == BlobState::kDamaged && fd_ && !still_there() ? BlobState::kGone : state;
  return read_bytes;
}

bool BlobCheck::Job::still_there() const {
  struct stat there {};
  const std::string path = core_->files.published_path(digest_);
  return ::lstat(path.c_str(), &there) == 0 && there.st_ino == inode_;
}

BlobCheck::BlobCheck(std::shared_ptr<Core> core, event::Workers& workers, const oci::Digest& digest,
                     Pace pace, Done done)
    : core_(std::move(core)),
      workers_(workers),
      pace_(std::move(pace)),
      done_(std::move(done)),
      job_(std::make_shared<Job>(core_, digest)) {
  read_piece();
}

BlobCheck::~BlobCheck() = default;

void BlobCheck::read_piece() {
  auto report =
      life_.guard([this](std::uint64_t read_bytes, bool over) { on_piece(read_bytes, over); });
  workers_.submit_long([job = job_, report = std::move(report), &loop = core_->loop] {
    const std::uint64_t read_bytes = job->read_piece();
    loop.post([report, read_bytes, over = job->over()]() mutable { report(read_bytes, over); });
  });
}

void BlobCheck::on_piece(std::uint64_t read_bytes, bool over) {
  const std::chrono::milliseconds wait = pace_(read_bytes);
  const auto go_on = [this, over] {
    if (!over) return read_piece();
    const Done done = done_;  // A copy: `done` may destroy this object.
    done(job_->result());
  };
  if (wait.count() == 0) return go_on();
  wait_ = core_->loop.after(wait, go_on);
}

}  // namespace layby::store
