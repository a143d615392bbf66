// SPDX-License-Identifier: Apache-2.0
//
// Eviction policies as the simulated cache asks them. A policy knows which objects are
// cached and names the next to go; the cache counts the bytes.

#ifndef LAYBY_TESTS_SIMULATOR_POLICY_H_
#define LAYBY_TESTS_SIMULATOR_POLICY_H_

#include <memory>
#include <string>
#include <vector>

#include "simulator/trace.h"

namespace layby::simulator {

struct Use {
  Object object = 0;
  std::uint64_t size_bytes = 0;
  std::size_t position = 0;  // In the trace.
};

class Policy {
 public:
  virtual ~Policy() = default;
  virtual void on_stored(const Use& use) = 0;
  virtual void on_used(const Use& use) = 0;
  // Names the object to go, and forgets it. Only asked while objects are cached.
  virtual Object evict() = 0;
  // Whether an object is stored for which `wanted_bytes` of others must go.
  virtual bool admits(const Use& use, std::uint64_t wanted_bytes) const;
  // How much must go for `new_bytes` more.
  virtual std::uint64_t bytes_to_evict(std::uint64_t capacity_bytes, std::uint64_t cached_bytes,
                                       std::uint64_t new_bytes) const;
};

std::unique_ptr<Policy> make_lru();
// Two LRU lists: what is used again while in the first comes to the second, which has
// four fifths of the cache.
std::unique_ptr<Policy> make_segmented_lru(const Trace& trace, std::uint64_t capacity_bytes);
// Yang and others, "FIFO queues are all you need for cache eviction" (2023), by bytes.
std::unique_ptr<Policy> make_s3_fifo(const Trace& trace, std::uint64_t capacity_bytes);

// Greedy-Dual: an object's rank is the clock plus its uses times its cost by its size.
struct GreedyDual {
  double request_bytes = 0;       // The cost of a request beyond its bytes.
  bool costs_bytes = true;        // Whether the bytes are a part of the cost.
  std::uint32_t most_hits = 0;    // 0: all of them count.
  std::uint32_t return_hits = 0;  // What the second use counts beyond 1.
};
std::unique_ptr<Policy> make_greedy_dual(const Trace& trace, const GreedyDual& parameters);
// layby::policy, as the store uses it.
std::unique_ptr<Policy> make_layby(const Trace& trace);
// Knows the trace: evicts what is asked for again last, and doesn't store what would push
// out anything that is asked for before it.
std::unique_ptr<Policy> make_clairvoyant(const Trace& trace);

}  // namespace layby::simulator

#endif  // LAYBY_TESTS_SIMULATOR_POLICY_H_
