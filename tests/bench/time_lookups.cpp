// SPDX-License-Identifier: Apache-2.0
//
// Times lookups of blobs in the store of a data_dir of make_index, one after another as the loop
// makes them: first stored blobs that have files, then unknown blobs. Prints for each kind
// "nanoseconds-median nanoseconds-p99 per-second". Fails if a stored blob is missing or an unknown
// blob is found.
//
//   time_lookups DATA_DIR BLOBS FILES LOOKUPS

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/scale_blobs.h"
#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "layby/store/disk_store.h"

namespace layby::bench {
namespace {

using Nanoseconds = std::chrono::nanoseconds;

// Digests of numbers in [from, from + count), drawn with repetition.
std::vector<oci::Digest> draw(std::uint64_t from, std::uint64_t count, std::size_t lookups) {
  std::mt19937_64 random(lookups);
  std::uniform_int_distribution<std::uint64_t> number(from, from + count - 1);
  std::vector<oci::Digest> digests;
  digests.reserve(lookups);
  while (digests.size() < lookups) digests.push_back(digest_of_number(number(random)));
  return digests;
}

// If `there` is true, returns whether every blob was found; if it is false, whether no blob was.
bool time_lookups(store::DiskStore& store, const std::vector<oci::Digest>& digests, bool there) {
  std::vector<std::int64_t> taken;
  taken.reserve(digests.size());
  std::int64_t sum = 0;
  for (const oci::Digest& digest : digests) {
    const auto begin = std::chrono::steady_clock::now();
    const bool found = store.open_blob(digest).has_value();
    const auto end = std::chrono::steady_clock::now();
    if (found != there) {
      std::fprintf(stderr, "time_lookups: %s is %s\n", digest.str().c_str(),
                   found ? "there" : "missing");
      return false;
    }
    taken.push_back(std::chrono::duration_cast<Nanoseconds>(end - begin).count());
    sum += taken.back();
  }
  std::sort(taken.begin(), taken.end());
  std::printf("%lld %lld %.0f\n", static_cast<long long>(taken[taken.size() / 2]),
              static_cast<long long>(taken[taken.size() * 99 / 100]),
              1e9 * static_cast<double>(taken.size()) / static_cast<double>(sum));
  return true;
}

int run(const std::string& data_dir, std::uint64_t blobs, std::uint64_t files,
        std::size_t lookups) {
  const SystemClock clock;
  Counters counters;
  events::Events events;
  auto loop = event::Loop::create();
  if (!loop) return 1;
  event::Workers workers(1);
  store::Options options;
  options.data_dir = data_dir;
  auto store = store::DiskStore::open(options, **loop, workers, clock, counters, events);
  if (!store) {
    std::fprintf(stderr, "time_lookups: %s\n", store.error().message.c_str());
    return 1;
  }
  const bool good = time_lookups(**store, draw(0, files, lookups), true) &&
                    time_lookups(**store, draw(blobs, blobs, lookups), false);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace layby::bench

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  return layby::bench::run(argv[1], std::strtoull(argv[2], nullptr, 10),
                           std::strtoull(argv[3], nullptr, 10),
                           std::strtoull(argv[4], nullptr, 10));
}
