// SPDX-License-Identifier: Apache-2.0
//
// O_TMPFILE makes a file that never has a name. A file system without O_TMPFILE has no files ahead,
// so its blobs come in order.

#include "store/ahead_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "store/disk_error.h"
#include "store/holes.h"

namespace layby::store {

Result<std::shared_ptr<AheadFile>> AheadFile::make(const std::string& folder) {
  UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0640));
  if (!fd) return disk_error("make a file without a name in", folder, errno);
  return std::shared_ptr<AheadFile>(new AheadFile(std::move(fd)));
}

Status AheadFile::write(std::string_view bytes, std::uint64_t offset) const {
  return write_at(fd_.get(), bytes, offset);
}

Status AheadFile::read(char* into, std::size_t size, std::uint64_t offset) const {
  while (size > 0) {
    const ssize_t got = ::pread(fd_.get(), into, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return errno_error("read the bytes of a blob ahead", got < 0 ? errno : EIO);
    into += got;
    size -= static_cast<std::size_t>(got);
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

void AheadFile::release(std::uint64_t offset) { release_before(fd_.get(), released_, offset); }

}  // namespace layby::store
