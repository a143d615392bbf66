// SPDX-License-Identifier: Apache-2.0

#include "simulator/simulation.h"

#include <algorithm>

namespace layby::simulator {
namespace {

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// The cached objects and their bytes.
class Cache {
 public:
  Cache(const Trace& trace, std::uint64_t capacity_bytes, Policy& policy, Result& result)
      : sizes_bytes_(trace.sizes_bytes),
        capacity_bytes_(capacity_bytes),
        policy_(policy),
        result_(result),
        cached_(trace.sizes_bytes.size()) {}

  bool has(Object object) const { return cached_[object]; }

  void store(const Use& use) {
    if (use.size_bytes > capacity_bytes_) return;
    const std::uint64_t wanted_bytes =
        policy_.bytes_to_evict(capacity_bytes_, cached_bytes_, use.size_bytes);
    if (!policy_.admits(use, wanted_bytes)) return;
    for (std::uint64_t gone_bytes = 0; gone_bytes < wanted_bytes;) gone_bytes += evict();
    add(use);
  }

 private:
  void add(const Use& use) {
    policy_.on_stored(use);
    cached_[use.object] = true;
    cached_bytes_ += use.size_bytes;
    result_.most_cached_bytes = std::max(result_.most_cached_bytes, cached_bytes_);
  }
  std::uint64_t evict() {
    const Object victim = policy_.evict();
    cached_[victim] = false;
    cached_bytes_ -= sizes_bytes_[victim];
    ++result_.evictions;
    return sizes_bytes_[victim];
  }

  const std::vector<std::uint64_t>& sizes_bytes_;
  std::uint64_t capacity_bytes_;
  Policy& policy_;
  Result& result_;
  std::vector<bool> cached_;
  std::uint64_t cached_bytes_ = 0;
};

// The time from one GET of an object to its next GET: keeping the object for this time gives a hit.
struct Interval {
  double cost = 0;  // Bytes times requests.
  double gain = 0;
};

// The most gain that `budget` buys: the best intervals in whole, the last interval in part.
double most_gain(std::vector<Interval> intervals, double budget) {
  std::sort(intervals.begin(), intervals.end(),
            [](const Interval& a, const Interval& b) { return a.gain * b.cost > b.gain * a.cost; });
  double gain = 0;
  for (const Interval& interval : intervals) {
    if (interval.cost > budget) return gain + interval.gain * budget / interval.cost;
    budget -= interval.cost;
    gain += interval.gain;
  }
  return gain;
}

}  // namespace

double Result::object_hit_ratio() const { return ratio(hits, gets); }
double Result::byte_hit_ratio() const { return ratio(hit_bytes, asked_bytes); }

Result simulate(const Trace& trace, std::uint64_t capacity_bytes, Policy& policy, Uses uses) {
  Result result;
  Cache cache(trace, capacity_bytes, policy, result);
  for (std::size_t i = 0; i < trace.requests.size(); ++i) {
    const auto [kind, object] = trace.requests[i];
    const Use use{object, trace.sizes_bytes[object], i};
    const bool cached = cache.has(object);
    if (kind == Request::Kind::kTouch) {
      if (cached && uses == Uses::kGetsAndManifests) policy.on_used(use);
      continue;
    }
    ++result.gets;
    result.asked_bytes += use.size_bytes;
    if (cached) {
      ++result.hits;
      result.hit_bytes += use.size_bytes;
      policy.on_used(use);
    } else {
      cache.store(use);
    }
  }
  return result;
}

Bound upper_bound(const Trace& trace, std::uint64_t capacity_bytes) {
  std::vector<Interval> for_objects;
  std::vector<Interval> for_bytes;
  std::vector<std::size_t> last(trace.sizes_bytes.size(), 0);
  std::size_t gets = 0;
  double asked_bytes = 0;
  for (const auto& [kind, object] : trace.requests) {
    if (kind != Request::Kind::kGet) continue;
    const auto size = static_cast<double>(trace.sizes_bytes[object]);
    ++gets;
    asked_bytes += size;
    if (last[object] != 0 && trace.sizes_bytes[object] <= capacity_bytes) {
      const double cost = size * static_cast<double>(gets - last[object]);
      for_objects.push_back({cost, 1});
      for_bytes.push_back({cost, size});
    }
    last[object] = gets;
  }
  const double budget = static_cast<double>(capacity_bytes) * static_cast<double>(gets);
  return {most_gain(std::move(for_objects), budget) / static_cast<double>(gets),
          most_gain(std::move(for_bytes), budget) / asked_bytes};
}

}  // namespace layby::simulator
