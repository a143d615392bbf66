// SPDX-License-Identifier: Apache-2.0

#include "simulation/world.h"

#include <algorithm>
#include <cassert>
#include <memory>

namespace layby::simulation {

class World::Wait final : public Operation {
 public:
  Wait(World& world, Key key) : world_(world), key_(key) {}
  ~Wait() override { world_.calls_.erase(key_); }

 private:
  World& world_;
  const Key key_;
};

World::Key World::add(std::chrono::milliseconds delay, std::function<void()> then) {
  const Key key{now_ + std::max(delay, std::chrono::milliseconds(0)), added_++};
  calls_.emplace(key, std::move(then));
  return key;
}

Handle World::after(std::chrono::milliseconds delay, std::function<void()> then) {
  return std::make_unique<Wait>(*this, add(delay, std::move(then)));
}

void World::defer(std::function<void()> then) {
  add(std::chrono::milliseconds(0), std::move(then));
}

WallTime World::wall_now() const {
  constexpr WallTime kFirst{std::chrono::seconds(1'700'000'000)};
  return kFirst + std::chrono::duration_cast<WallTime::duration>(now_ - kBeginning);
}

std::chrono::milliseconds World::age() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(now_ - kBeginning);
}

bool World::step(SteadyTime end) {
  if (calls_.empty() || calls_.begin()->first.first > end) return false;
  const auto next = calls_.extract(calls_.begin());  // The call may drop its own handle.
  assert(next.key().first >= now_);
  now_ = next.key().first;
  ++steps_;
  next.mapped()();
  return true;
}

void World::rest_until(SteadyTime end) {
  assert(calls_.empty() || calls_.begin()->first.first > end);
  now_ = std::max(now_, end);
}

// FNV-1a over the time and the text.
void World::note(std::string_view what) {
  constexpr std::uint64_t kPrime = 0x100000001b3;
  const auto time = static_cast<std::uint64_t>(age().count());
  for (int shift = 0; shift < 64; shift += 8) trace_ = (trace_ ^ (time >> shift & 255)) * kPrime;
  for (const char c : what) trace_ = (trace_ ^ static_cast<unsigned char>(c)) * kPrime;
}

void LifeTimers::defer(std::function<void()> then) {
  const std::uint64_t id = added_++;
  Handle wait = world_.after(std::chrono::milliseconds(0), [this, id, then = std::move(then)] {
    const auto over = deferred_.extract(id);
    then();
  });
  deferred_.emplace(id, std::move(wait));
}

}  // namespace layby::simulation
