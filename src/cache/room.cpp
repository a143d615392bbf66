// SPDX-License-Identifier: Apache-2.0
//
// Only one eviction runs at a time, for the first waiter or for look(). The other waiters are
// served after the eviction.

#include "cache/room.h"

#include <cassert>
#include <memory>
#include <utility>

#include "layby/policy/eviction.h"

namespace layby::cache {
namespace {

constexpr std::chrono::seconds kLookEvery{5};

}  // namespace

Room::Room(Context context) : context_(std::move(context)) { watch(); }
Room::~Room() = default;

policy::SpaceUse Room::use() const {
  const StoreUsage usage = context_.store.usage();
  return {usage.blob_bytes + usage.partial_bytes + usage.index_bytes, context_.reserved_bytes(),
          usage.disk_free_bytes, usage.disk_total_bytes};
}

Handle Room::make(std::uint64_t new_bytes, std::function<void(bool)> done) {
  assert(done);
  auto asker = std::make_unique<Droppable<bool>>(std::move(done));
  Waiter waiter{new_bytes, asker->call()};
  return wait(std::move(waiter), std::move(asker));
}

Handle Room::make_beside(const Spare& spare, std::uint64_t new_bytes,
                         std::function<void(bool)> done) {
  assert(done);
  auto asker = std::make_unique<Droppable<bool>>(std::move(done));
  Waiter waiter{new_bytes, asker->call(), spare};
  return wait(std::move(waiter), std::move(asker));
}

Handle Room::wait(Waiter waiter, std::unique_ptr<Droppable<bool>> asker) {
  const auto answer = waiter.answer;
  waiters_.push_back(std::move(waiter));
  if (state_ == State::kIdle) serve(false);
  if (!answer.is_wanted()) return nullptr;
  assert(state_ != State::kIdle);
  return asker;
}

void Room::enter(State state) {
  assert(state != state_);
  assert(state_ != State::kEvicting || state == State::kAnswering);
  assert(state != State::kIdle || waiters_.empty());
  state_ = state;
}

void Room::serve(bool in_vain) {
  enter(State::kAnswering);
  for (; !waiters_.empty(); in_vain = false) {
    const Waiter first = waiters_.front();
    bool fits = false;
    if (first.answer.is_wanted()) {
      const policy::SpaceUse now = use();
      const std::uint64_t bytes = policy::bytes_to_evict(context_.rules, now, first.new_bytes);
      const bool may_help = bytes <= now.cached_bytes && !in_vain;
      if (bytes > 0 && may_help) return evict(bytes, first.spare.value_or(Spare{}));
      fits = bytes == 0;
      if (fits || !first.spare) set_full(!fits);
    }
    waiters_.pop_front();
    first.answer(fits);
  }
  enter(State::kIdle);
}

void Room::evict(std::uint64_t bytes, const Spare& spare) {
  assert(bytes > 0);
  enter(State::kEvicting);
  context_.store.evict(bytes, spare,
                       life_.guard([this](const Result<EvictedSum>& sum) { on_evicted(sum); }));
}

void Room::on_evicted(const Result<EvictedSum>& sum) {
  assert(state_ == State::kEvicting);
  // Only the first failure in a row is told: with an index that can't be written, an eviction
  // fails every few seconds.
  const bool failed_before = std::exchange(eviction_failed_, !sum.ok());
  if (!sum.ok() && !failed_before) context_.events.tell(events::EvictionFailed{sum.error()});
  serve(!sum.ok() || sum->blobs + sum->manifests == 0);
}

void Room::watch() {
  timer_ = context_.timers.after(kLookEvery, [this] {
    look();
    watch();
  });
}

void Room::look() {
  if (state_ != State::kIdle) return;
  assert(waiters_.empty());
  const policy::SpaceUse now = use();
  const std::uint64_t bytes = policy::bytes_to_evict(context_.rules, now, 0);
  if (bytes == 0) {
    set_full(false);
    return;
  }
  if (bytes <= now.cached_bytes) return evict(bytes, {});
  set_full(true);
  context_.on_overdrawn();
}

void Room::set_full(bool full) {
  if (std::exchange(full_, full) != full) context_.events.tell(events::DiskFullChanged{full});
}

}  // namespace layby::cache
