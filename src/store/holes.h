// SPDX-License-Identifier: Apache-2.0

#ifndef LAYBY_SRC_STORE_HOLES_H_
#define LAYBY_SRC_STORE_HOLES_H_

#include <cstdint>

namespace layby::store {

// Gives the space of the file's bytes from `released` to `offset` back, except for a rest of less
// than 256 KiB, and moves `released`. Such a hole is a multiple of the page size, because a page
// may be on its way to a client. Few large holes cost less than many small holes. A file system
// without holes keeps the space.
void release_before(int fd, std::uint64_t& released, std::uint64_t offset);

}  // namespace layby::store

#endif  // LAYBY_SRC_STORE_HOLES_H_
