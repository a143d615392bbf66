// SPDX-License-Identifier: Apache-2.0

#include "simulator/contestants.h"

namespace layby::simulator {
namespace {

constexpr double kKiB = 1 << 10;
constexpr double kMiB = 1 << 20;

Contestant greedy_dual(std::string name, const GreedyDual& parameters) {
  return {std::move(name), [parameters](const Trace& trace, std::uint64_t) {
            return make_greedy_dual(trace, parameters);
          }};
}

Contestant layby(std::string name, Uses uses) {
  return {std::move(name), [](const Trace& trace, std::uint64_t) { return make_layby(trace); },
          uses};
}

}  // namespace

std::vector<Contestant> contestants() {
  return {
      {"LRU", [](const Trace&, std::uint64_t) { return make_lru(); }},
      {"segmented LRU", make_segmented_lru},
      {"S3-FIFO", make_s3_fifo},
      greedy_dual("LFU with ageing", {}),
      greedy_dual("GDSF", {.request_bytes = 1, .costs_bytes = false}),
      layby("Layby", Uses::kGetsAndManifests),
      {"clairvoyant", [](const Trace& trace, std::uint64_t) { return make_clairvoyant(trace); }},
  };
}

std::vector<Contestant> variants() {
  return {
      layby("unchanged", Uses::kGetsAndManifests),
      layby("a manifest doesn't count as a use of its blobs", Uses::kGets),
      greedy_dual("evicts only the missing bytes", {kMiB, true, 16, 4}),
      greedy_dual("… and a request is worth 64 KiB", {64 * kKiB, true, 16, 4}),
      greedy_dual("… and a request is worth 4 MiB", {4 * kMiB, true, 16, 4}),
      greedy_dual("… and a request is worth 16 MiB", {16 * kMiB, true, 16, 4}),
      greedy_dual("… and 4 uses count", {kMiB, true, 4, 4}),
      greedy_dual("… and 64 uses count", {kMiB, true, 64, 4}),
      greedy_dual("… and a return counts like any use", {kMiB, true, 16, 0}),
      greedy_dual("… and a return counts as 8 more uses", {kMiB, true, 16, 8}),
  };
}

}  // namespace layby::simulator
