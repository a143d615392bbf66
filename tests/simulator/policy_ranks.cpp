// SPDX-License-Identifier: Apache-2.0
//
// The eviction policies that evict the object of the lowest rank: Greedy-Dual in doubles,
// production's policy, and the clairvoyant, which knows the future.

#include <algorithm>
#include <set>

#include "layby/policy/eviction.h"
#include "simulator/policy.h"

namespace layby::simulator {
namespace {

// Objects sorted by rank.
template <typename Rank>
class Ranking {
 public:
  explicit Ranking(std::size_t objects) : ranks_(objects) {}

  void put(Object object, Rank rank) {
    order_.erase({ranks_[object], object});
    ranks_[object] = rank;
    order_.insert({rank, object});
  }
  const std::set<std::pair<Rank, Object>>& lowest_first() const { return order_; }
  std::pair<Rank, Object> take_lowest() {
    const auto lowest = *order_.begin();
    order_.erase(order_.begin());
    return lowest;
  }

 private:
  std::vector<Rank> ranks_;
  std::set<std::pair<Rank, Object>> order_;
};

class GreedyDualPolicy : public Policy {
 public:
  GreedyDualPolicy(const Trace& trace, const GreedyDual& parameters)
      : parameters_(parameters),
        hits_(trace.sizes_bytes.size()),
        ranking_(trace.sizes_bytes.size()) {}

  void on_stored(const Use& use) override {
    hits_[use.object] = 0;
    on_used(use);
  }
  void on_used(const Use& use) override {
    const std::uint32_t hits = ++hits_[use.object];
    const auto size = static_cast<double>(use.size_bytes);
    const double cost = parameters_.request_bytes + (parameters_.costs_bytes ? size : 0);
    ranking_.put(use.object, clock_ + counted(hits) * cost / size);
  }
  Object evict() override {
    const auto [rank, victim] = ranking_.take_lowest();
    clock_ = rank;
    return victim;
  }

 private:
  std::uint32_t counted(std::uint32_t hits) const {
    const std::uint32_t most = parameters_.most_hits == 0 ? hits : parameters_.most_hits;
    return std::min(hits, most) + (hits > 1 ? parameters_.return_hits : 0);
  }

  GreedyDual parameters_;
  double clock_ = 0;
  std::vector<std::uint32_t> hits_;
  Ranking<double> ranking_;
};

class Layby : public Policy {
 public:
  explicit Layby(const Trace& trace)
      : hits_(trace.sizes_bytes.size()), ranking_(trace.sizes_bytes.size()) {}

  void on_stored(const Use& use) override {
    hits_[use.object] = 0;
    on_used(use);
  }
  void on_used(const Use& use) override {
    ranking_.put(use.object, policy::rank(clock_, ++hits_[use.object], use.size_bytes));
  }
  Object evict() override {
    const auto [rank, victim] = ranking_.take_lowest();
    clock_ = policy::clock_after(clock_, rank);
    return victim;
  }
  // Evicts in production's steps, on a disk that holds nothing but the cache.
  std::uint64_t bytes_to_evict(std::uint64_t capacity_bytes, std::uint64_t cached_bytes,
                               std::uint64_t new_bytes) const override {
    const policy::SpaceRules rules{{0, capacity_bytes}, {0, 0}};
    const policy::SpaceUse use{cached_bytes, 0, capacity_bytes - cached_bytes, capacity_bytes};
    return policy::bytes_to_evict(rules, use, new_bytes);
  }

 private:
  std::uint64_t clock_ = 0;
  std::vector<std::uint32_t> hits_;
  Ranking<std::uint64_t> ranking_;
};

class Clairvoyant : public Policy {
 public:
  explicit Clairvoyant(const Trace& trace)
      : trace_(trace), next_gets_(trace.next_gets()), ranking_(trace.sizes_bytes.size()) {}

  void on_stored(const Use& use) override { on_used(use); }
  void on_used(const Use& use) override { ranking_.put(use.object, rank_at(use.position)); }
  Object evict() override { return ranking_.take_lowest().second; }
  bool admits(const Use& use, std::uint64_t wanted_bytes) const override {
    std::uint64_t going_bytes = 0;
    for (const auto& [rank, object] : ranking_.lowest_first()) {
      if (going_bytes >= wanted_bytes) break;
      if (rank > rank_at(use.position)) return false;
      going_bytes += trace_.sizes_bytes[object];
    }
    return true;
  }

 private:
  // An object whose next GET is later has a lower rank.
  std::size_t rank_at(std::size_t position) const {
    return next_gets_.size() - next_gets_[position];
  }

  const Trace& trace_;
  std::vector<std::size_t> next_gets_;
  Ranking<std::size_t> ranking_;
};

}  // namespace

std::unique_ptr<Policy> make_greedy_dual(const Trace& trace, const GreedyDual& parameters) {
  return std::make_unique<GreedyDualPolicy>(trace, parameters);
}

std::unique_ptr<Policy> make_layby(const Trace& trace) { return std::make_unique<Layby>(trace); }

std::unique_ptr<Policy> make_clairvoyant(const Trace& trace) {
  return std::make_unique<Clairvoyant>(trace);
}

}  // namespace layby::simulator
