// SPDX-License-Identifier: Apache-2.0
//
// The simulated time and its queue of calls. Calls run one at a time, in the order of their due
// times; calls with the same time run in the order of adding. Nothing waits, so a day takes
// milliseconds. The World also keeps the trace: a hash of everything that happened, by which two
// runs are compared.

#ifndef LAYBY_TESTS_SIMULATION_WORLD_H_
#define LAYBY_TESTS_SIMULATION_WORLD_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include "layby/base/async.h"
#include "layby/base/clock.h"

namespace layby::simulation {

class World final : public Timers, public Clock {
 public:
  World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Handle after(std::chrono::milliseconds delay, std::function<void()> then) override;
  void defer(std::function<void()> then) override;
  SteadyTime steady_now() const override { return now_; }
  WallTime wall_now() const override;

  // Runs the next call and moves the time to it; false when no call is due by `end`.
  bool step(SteadyTime end);
  // Moves the time to `end`. No call may be due before `end`.
  void rest_until(SteadyTime end);
  // How many calls still wait.
  std::size_t waiting() const { return calls_.size(); }
  std::uint64_t steps() const { return steps_; }
  std::chrono::milliseconds age() const;  // Since the beginning of the simulation.

  // Adds `what`, with the time, to the trace.
  void note(std::string_view what);
  std::uint64_t trace() const { return trace_; }

 private:
  class Wait;
  using Key = std::pair<SteadyTime, std::uint64_t>;

  Key add(std::chrono::milliseconds delay, std::function<void()> then);

  SteadyTime now_ = kBeginning;
  std::map<Key, std::function<void()>> calls_;
  std::uint64_t added_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t trace_ = 0xcbf29ce484222325;

  static constexpr SteadyTime kBeginning{std::chrono::hours(1)};
};

// The timers of a box. A crash drops every deferred call.
class LifeTimers final : public Timers {
 public:
  explicit LifeTimers(World& world) : world_(world) {}
  Handle after(std::chrono::milliseconds delay, std::function<void()> then) override {
    return world_.after(delay, std::move(then));
  }
  void defer(std::function<void()> then) override;
  void drop_deferred() { deferred_.clear(); }

 private:
  World& world_;
  std::uint64_t added_ = 0;
  std::map<std::uint64_t, Handle> deferred_;
};

// The clock of a box. Its wall time jumps; its steady time is the world's.
class JumpingClock final : public Clock {
 public:
  explicit JumpingClock(const World& world) : world_(world) {}
  SteadyTime steady_now() const override { return world_.steady_now(); }
  WallTime wall_now() const override { return world_.wall_now() + offset_; }
  void jump(std::chrono::milliseconds by) {
    offset_ += by;
    jumped_ += std::chrono::abs(by);
  }
  // The sum of all jumps, in either direction.
  std::chrono::milliseconds jumped() const { return jumped_; }

 private:
  const World& world_;
  std::chrono::milliseconds offset_{0};
  std::chrono::milliseconds jumped_{0};
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_WORLD_H_
