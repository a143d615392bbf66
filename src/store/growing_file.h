// SPDX-License-Identifier: Apache-2.0
//
// The file of a blob that is being written, as its readers see it: on the disk, or,
// from the byte on where the disk took no more, in a window of memory that moves along
// with them. Loop thread, but for MemoryTail::write.

#ifndef LAYBY_STORE_GROWING_FILE_H_
#define LAYBY_STORE_GROWING_FILE_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "layby/base/fd.h"
#include "layby/base/result.h"
#include "layby/cache/store.h"

namespace layby::store {

// Bytes of a blob from `first_byte` on, at their offsets in the blob; a memfd(2), so that
// they are sent like those of a file.
class MemoryTail {
 public:
  static Result<std::shared_ptr<MemoryTail>> make(std::uint64_t first_byte);

  int fd() const { return fd_.get(); }
  std::uint64_t first_byte() const { return first_byte_; }
  Status write(std::string_view bytes, std::uint64_t offset);
  // Gives the memory of what lies below `offset` back.
  void release(std::uint64_t offset);

 private:
  MemoryTail(UniqueFd fd, std::uint64_t first_byte)
      : fd_(std::move(fd)), first_byte_(first_byte), released_(first_byte) {}

  const UniqueFd fd_;
  const std::uint64_t first_byte_;
  std::uint64_t released_;
};

class GrowingFile final : public cache::BlobFile {
 public:
  // Either may be null.
  GrowingFile(std::shared_ptr<cache::BlobFile> disk, std::shared_ptr<MemoryTail> tail)
      : disk_(std::move(disk)), tail_(std::move(tail)) {}

  int fd() const override { return disk_ ? disk_->fd() : -1; }
  cache::BlobPart part_at(std::uint64_t offset) const override;

  void go_on_in(std::shared_ptr<MemoryTail> tail) { tail_ = std::move(tail); }
  void release(std::uint64_t offset);

 private:
  const std::shared_ptr<cache::BlobFile> disk_;
  std::shared_ptr<MemoryTail> tail_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_GROWING_FILE_H_
