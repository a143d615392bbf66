// SPDX-License-Identifier: Apache-2.0
//
// Runs every trace with every policy and cache size, and prints one line of CSV for each
// combination. The ratios are means over the seeds. scripts/simulate makes the tables and the
// plot of docs/eviction.md from this output.

#include <cstdio>

#include "simulator/contestants.h"

namespace layby::simulator {
namespace {

constexpr int kSeeds = 3;
constexpr std::uint64_t kCachePercents[] = {5, 10, 25, 50};

struct Mean {
  double byte_hit_ratio = 0;
  double object_hit_ratio = 0;

  void add(double bytes, double objects) {
    byte_hit_ratio += bytes / kSeeds;
    object_hit_ratio += objects / kSeeds;
  }
};

void print(const char* kind, const std::string& trace, std::uint64_t percent,
           const std::string& policy, const Mean& mean) {
  std::printf("%s,%s,%llu,%s,%.6f,%.6f\n", kind, trace.c_str(),
              static_cast<unsigned long long>(percent), policy.c_str(), mean.byte_hit_ratio,
              mean.object_hit_ratio);
}

std::uint64_t capacity(const Trace& trace, std::uint64_t percent) {
  return trace.unique_bytes() / 100 * percent;
}

void run(const char* kind, const std::vector<Trace>& traces, std::uint64_t percent,
         const std::vector<Contestant>& policies) {
  for (const Contestant& policy : policies) {
    Mean mean;
    for (const Trace& trace : traces) {
      const Result result = policy.run(trace, capacity(trace, percent));
      mean.add(result.byte_hit_ratio(), result.object_hit_ratio());
    }
    print(kind, traces.front().name, percent, policy.name, mean);
  }
}

void run_bound(const std::vector<Trace>& traces, std::uint64_t percent) {
  Mean mean;
  for (const Trace& trace : traces) {
    const Bound bound = upper_bound(trace, capacity(trace, percent));
    mean.add(bound.byte_hit_ratio, bound.object_hit_ratio);
  }
  print("policy", traces.front().name, percent, "bound", mean);
}

void run_all() {
  std::printf("kind,trace,cache_percent,policy,byte_hit_ratio,object_hit_ratio\n");
  for (const std::string& name : trace_names()) {
    std::vector<Trace> traces;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      traces.push_back(make_trace(name, Length::kFull, seed));
    }
    for (const std::uint64_t percent : kCachePercents) {
      run("policy", traces, percent, contestants());
      run_bound(traces, percent);
      run("variant", traces, percent, variants());
    }
  }
}

}  // namespace
}  // namespace layby::simulator

int main() {
  layby::simulator::run_all();
  return 0;
}
