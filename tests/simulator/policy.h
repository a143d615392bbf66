// SPDX-License-Identifier: Apache-2.0
//
// The interface between the simulated cache and an eviction policy. The policy knows which
// objects are cached and names the next victim; the cache counts the bytes.

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
  std::size_t position = 0;  // The position of the request in the trace.
};

class Policy {
 public:
  virtual ~Policy() = default;
  virtual void on_stored(const Use& use) = 0;
  virtual void on_used(const Use& use) = 0;
  // Returns the victim, which the policy then forgets. Called only while objects are cached.
  virtual Object evict() = 0;
  // Returns whether an object is stored if `wanted_bytes` of other objects must be evicted for it.
  virtual bool admits(const Use& use, std::uint64_t wanted_bytes) const;
  // How many bytes must be evicted to make room for `new_bytes`.
  virtual std::uint64_t bytes_to_evict(std::uint64_t capacity_bytes, std::uint64_t cached_bytes,
                                       std::uint64_t new_bytes) const;
};

std::unique_ptr<Policy> make_lru();
// Two LRU lists: a second use moves an object from the first list to the second, which has
// four fifths of the cache.
std::unique_ptr<Policy> make_segmented_lru(const Trace& trace, std::uint64_t capacity_bytes);
// Yang and others, "FIFO queues are all you need for cache eviction" (2023), with queues
// measured in bytes.
std::unique_ptr<Policy> make_s3_fifo(const Trace& trace, std::uint64_t capacity_bytes);

// Greedy-Dual: an object's rank is clock + uses · cost / size.
struct GreedyDual {
  double request_bytes = 0;       // The cost of a request apart from the object's bytes.
  bool costs_bytes = true;        // Whether the object's bytes are a part of the cost.
  std::uint32_t most_hits = 0;    // The most uses that count; 0 for no bound.
  std::uint32_t return_hits = 0;  // The second use counts as this many additional uses.
};
std::unique_ptr<Policy> make_greedy_dual(const Trace& trace, const GreedyDual& parameters);
// The eviction policy of layby::policy, as the store uses it.
std::unique_ptr<Policy> make_layby(const Trace& trace);
// Knows the trace: evicts the object whose next GET is the latest, and doesn't store an object
// that would evict an object with an earlier next GET.
std::unique_ptr<Policy> make_clairvoyant(const Trace& trace);

}  // namespace layby::simulator

#endif  // LAYBY_TESTS_SIMULATOR_POLICY_H_
