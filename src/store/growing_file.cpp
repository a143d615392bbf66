// SPDX-License-Identifier: Apache-2.0
//
// Released memory becomes a hole in the memfd, so offsets stay the same.

#include "store/growing_file.h"

#include <sys/mman.h>

#include <cassert>
#include <cerrno>
#include <utility>

#include "store/holes.h"

namespace layby::store {

Result<std::shared_ptr<MemoryTail>> MemoryTail::make(std::uint64_t first_byte) {
  UniqueFd fd(::memfd_create("layby-unkept", MFD_CLOEXEC));
  if (!fd) return errno_error("create a memory file for a blob that isn't kept", errno);
  return std::shared_ptr<MemoryTail>(new MemoryTail(std::move(fd), first_byte));
}

Status MemoryTail::write(std::string_view bytes, std::uint64_t offset) {
  assert(offset >= first_byte_);
  return write_at(fd_.get(), bytes, offset);
}

void MemoryTail::release(std::uint64_t offset) { release_before(fd_.get(), released_, offset); }

cache::BlobPart GrowingFile::part_at(std::uint64_t offset) const {
  if (ahead_ && offset >= front_) return {ahead_->fd(), UINT64_MAX};
  const std::uint64_t end = ahead_ ? front_ : UINT64_MAX;
  if (!tail_) return {fd(), end};
  if (offset >= tail_->first_byte()) return {tail_->fd(), end};
  return {fd(), tail_->first_byte()};
}

void GrowingFile::release(std::uint64_t offset) {
  if (tail_) tail_->release(offset);
}

}  // namespace layby::store
