// SPDX-License-Identifier: Apache-2.0
//
// The settings that a store is opened with. Their initial values are the defaults of the
// configuration.

#ifndef LAYBY_STORE_OPTIONS_H_
#define LAYBY_STORE_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace layby::store {

struct Options {
  std::string data_dir = "/var/lib/layby";
  // The largest size of the index. This limit costs address space, but no memory and no disk space.
  std::uint64_t index_map_bytes =
      sizeof(void*) >= 8 ? std::uint64_t{64} << 30 : std::uint64_t{1} << 29;
  // The next start deletes a partial file that nobody has written to for this long.
  std::chrono::hours keep_partials_for{24};
  // Each stored blob is read and hashed again once in this period; 0 means only on demand.
  std::chrono::milliseconds scrub_every{std::chrono::hours(24 * 30)};
  std::uint64_t scrub_rate = 8 << 20;  // Bytes a second.
  // Grants are lost with the index. If this option is set, blobs that a rebuild finds in the files
  // count as private and are granted to no repository.
  bool private_after_rebuild = false;

  bool operator==(const Options&) const = default;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_OPTIONS_H_
