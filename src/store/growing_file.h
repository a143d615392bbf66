// SPDX-License-Identifier: Apache-2.0
//
// A blob that is being written, as its readers see it. Its bytes are in a file on the disk.
// From the first byte that isn't kept, they are in a window of memory that moves along with
// the readers. Every byte has one place: the disk, or the tail. Loop thread, except for
// MemoryTail::write().

#ifndef LAYBY_STORE_GROWING_FILE_H_
#define LAYBY_STORE_GROWING_FILE_H_

#include <cassert>
#include <cstdint>
#include <memory>
#include <string_view>

#include "layby/base/fd.h"
#include "layby/base/result.h"
#include "layby/cache/store.h"

namespace layby::store {

// The bytes of a blob from `first_byte` on, at their offsets in the blob. They are in a
// memfd(2), so that they can be sent with sendfile like the bytes of a file.
class MemoryTail {
 public:
  static Result<std::shared_ptr<MemoryTail>> make(std::uint64_t first_byte);

  int fd() const { return fd_.get(); }
  std::uint64_t first_byte() const { return first_byte_; }
  Status write(std::string_view bytes, std::uint64_t offset);
  // Frees the memory of the bytes below `offset`.
  void release(std::uint64_t offset);

 private:
  MemoryTail(UniqueFd fd, std::uint64_t first_byte)
      : fd_(std::move(fd)), first_byte_(first_byte), released_(first_byte) {}

  const UniqueFd fd_;
  const std::uint64_t first_byte_;
  std::uint64_t released_;  // Never falls.
};

class GrowingFile final : public cache::BlobFile {
 public:
  // Either may be null, but not both. Without a disk file the tail begins at byte 0.
  GrowingFile(std::shared_ptr<cache::BlobFile> disk, std::shared_ptr<MemoryTail> tail)
      : disk_(std::move(disk)), tail_(std::move(tail)) {
    assert(disk_ || (tail_ && tail_->first_byte() == 0));
  }

  int fd() const override { return disk_ ? disk_->fd() : -1; }
  cache::BlobPart part_at(std::uint64_t offset) const override;

  // Later bytes go to `tail`. Calling this again with the same tail does nothing.
  void go_on_in(std::shared_ptr<MemoryTail> tail) {
    assert(tail && (!tail_ || tail_ == tail));
    tail_ = std::move(tail);
  }
  void release(std::uint64_t offset);

 private:
  const std::shared_ptr<cache::BlobFile> disk_;
  std::shared_ptr<MemoryTail> tail_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_GROWING_FILE_H_
