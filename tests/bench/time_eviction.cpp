// SPDX-License-Identifier: Apache-2.0
//
// Times one step of eviction in a data_dir of make_index, from the choice of the lowest
// ranks to the erasure of their objects. Each step is rolled back, so that all steps see the
// same index.
// Prints "microseconds-median microseconds-longest objects" and fails if nothing is evicted.
//
//   time_eviction DATA_DIR STEPS

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "layby/store/disk_store.h"
#include "store/eviction.h"

namespace layby::bench {
namespace {

int run(const std::string& data_dir, int steps) {
  auto index = store::Index::open(data_dir + "/index", store::Options{}.index_map_bytes);
  if (!index) return 1;
  std::vector<double> taken;
  std::size_t objects = 0;
  while (steps-- > 0) {
    const auto begin = std::chrono::steady_clock::now();
    auto txn = (*index)->write();
    if (!txn) return 1;
    const auto evicted =
        evict_lowest(*txn, {std::uint64_t{1} << 62, {}, std::chrono::system_clock::now()});
    if (!evicted) return 1;
    const auto end = std::chrono::steady_clock::now();
    taken.push_back(std::chrono::duration<double, std::micro>(end - begin).count());
    objects = evicted->blobs.size() + static_cast<std::size_t>(evicted->manifests);
  }
  if (objects == 0) return 1;
  std::sort(taken.begin(), taken.end());
  std::printf("%.1f %.1f %zu\n", taken[taken.size() / 2], taken.back(), objects);
  return 0;
}

}  // namespace
}  // namespace layby::bench

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return layby::bench::run(argv[1], std::atoi(argv[2]));
}
