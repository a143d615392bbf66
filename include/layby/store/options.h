// SPDX-License-Identifier: Apache-2.0
//
// What a store is opened with. The values here are the defaults of the configuration.

#ifndef LAYBY_STORE_OPTIONS_H_
#define LAYBY_STORE_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace layby::store {

struct Options {
  std::string data_dir = "/var/lib/layby";
  // The largest size of the index. It costs address space, not memory or disk.
  std::uint64_t index_map_bytes =
      sizeof(void*) >= 8 ? std::uint64_t{64} << 30 : std::uint64_t{1} << 29;
  // A partial file that nobody has written to for this long is deleted at start.
  std::chrono::hours keep_partials_for{24};
  // Each blob is read and hashed again once in this time; 0 checks only on demand.
  std::chrono::milliseconds scrub_every{std::chrono::hours(24 * 30)};
  std::uint64_t scrub_rate = 8 << 20;  // Bytes a second.
  // Grants are lost with the index. When set, blobs that a rebuild finds in the files count
  // as private and are granted to no repository.
  bool private_after_rebuild = false;

  bool operator==(const Options&) const = default;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_OPTIONS_H_
