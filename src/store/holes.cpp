// SPDX-License-Identifier: Apache-2.0

#include "store/holes.h"

#include <fcntl.h>
#include <sys/types.h>

namespace layby::store {
namespace {

constexpr std::uint64_t kHoleBytes = 256 * 1024;

}  // namespace

void release_before(int fd, std::uint64_t& released, std::uint64_t offset) {
  const std::uint64_t from = released / kHoleBytes * kHoleBytes;
  const std::uint64_t to = offset / kHoleBytes * kHoleBytes;
  if (to <= from) return;
  ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
              static_cast<off_t>(to - from));
  released = to;
}

}  // namespace layby::store
