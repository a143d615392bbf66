// SPDX-License-Identifier: Apache-2.0
//
// Reads bytes of a BlobReader the way the server does: from the file that part_at() names.

#ifndef LAYBY_TESTS_SIMULATION_READING_H_
#define LAYBY_TESTS_SIMULATION_READING_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "layby/cache/cache.h"

namespace layby::simulation {

// The readable bytes from `offset` on, at most `most`.
inline std::string read(const cache::BlobReader& reader, std::uint64_t offset,
                        std::uint64_t most = UINT64_MAX) {
  const cache::BlobPart part = reader.part_at(offset);
  const std::uint64_t end = std::min(reader.readable_bytes(), part.end_bytes);
  std::string bytes(std::min(end - offset, most), '\0');
  const auto got = ::pread(part.fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (got != static_cast<ssize_t>(bytes.size())) ADD_FAILURE() << "a readable byte can't be read";
  return bytes;
}

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_READING_H_
