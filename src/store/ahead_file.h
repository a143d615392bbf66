// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a blob that came before the bytes in front of them, at their offsets in the blob.
// The file is on the same disk as the partial file and has no name, so a crash leaves nothing of
// it, and no later writer can take a hole for bytes. When the bytes in front have come, the writer
// copies the bytes from here, out of the page cache, and hashes them on the way. The memory or the
// disk space of copied bytes is given back. Helper threads make all calls, one at a time; the
// loop thread reads the file through fd().

#ifndef LAYBY_STORE_AHEAD_FILE_H_
#define LAYBY_STORE_AHEAD_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "layby/base/fd.h"
#include "layby/base/result.h"
#include "layby/cache/store.h"

namespace layby::store {

class AheadFile final : public cache::BlobFile {
 public:
  // Makes a file without a name in `folder`.
  static Result<std::shared_ptr<AheadFile>> make(const std::string& folder);

  int fd() const override { return fd_.get(); }
  Status write(std::string_view bytes, std::uint64_t offset) const;
  // Reads `size` bytes, which were written before.
  Status read(char* into, std::size_t size, std::uint64_t offset) const;
  // Gives back the space of the bytes below `offset`, which nobody reads here any more.
  void release(std::uint64_t offset);

 private:
  explicit AheadFile(UniqueFd fd) : fd_(std::move(fd)) {}

  const UniqueFd fd_;
  std::uint64_t released_ = 0;  // Never falls.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_AHEAD_FILE_H_
