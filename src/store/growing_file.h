// SPDX-License-Identifier: Apache-2.0
//
// A blob that is being written, as its readers see the blob. The kept bytes are in a file on the
// disk. Bytes that were written ahead are in a file of their own, until the front of the blob has
// reached them. The later bytes are in memory, in the tail. Memory is freed after all readers have
// passed its bytes. A byte below the front is in one place: the disk or the tail. Helper threads
// make the objects and call MemoryTail::write(); the loop thread makes the other calls.

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

// The bytes of a blob from `first_byte` on, at their offsets in the blob. A memfd(2) stores these
// bytes, so that sendfile can send them like the bytes of a file.
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
  // `disk` and `tail` are null before the first byte. Without `disk`, the tail begins at byte 0.
  GrowingFile(std::shared_ptr<cache::BlobFile> disk, std::shared_ptr<MemoryTail> tail)
      : disk_(std::move(disk)), tail_(std::move(tail)) {
    assert(disk_ || !tail_ || tail_->first_byte() == 0);
  }

  int fd() const override { return disk_ ? disk_->fd() : -1; }
  cache::BlobPart part_at(std::uint64_t offset) const override;

  // The written bytes that aren't in the tail are in `disk`. A second call with the same file does
  // nothing.
  void begin(std::shared_ptr<cache::BlobFile> disk) {
    assert(!disk_ || disk_ == disk);
    disk_ = std::move(disk);
  }
  // Bytes beyond the front may be in `ahead`.
  void begin_ahead(std::shared_ptr<cache::BlobFile> ahead) { ahead_ = std::move(ahead); }
  void end_ahead() { ahead_.reset(); }
  // The bytes below `front` are in `disk` and in the tail.
  void set_front(std::uint64_t front) {
    assert(front >= front_);
    front_ = front;
  }
  // Later bytes go to `tail`. A second call with the same tail does nothing.
  void go_on_in(std::shared_ptr<MemoryTail> tail) {
    assert(tail && (!tail_ || tail_ == tail));
    tail_ = std::move(tail);
  }
  void release(std::uint64_t offset);

 private:
  std::shared_ptr<cache::BlobFile> disk_;
  std::shared_ptr<MemoryTail> tail_;
  std::shared_ptr<cache::BlobFile> ahead_;
  std::uint64_t front_ = 0;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_GROWING_FILE_H_
