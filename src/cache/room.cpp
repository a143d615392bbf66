// SPDX-License-Identifier: Apache-2.0
//
// One eviction at a time, for the first waiter. The other waiters are looked at after it.

#include "cache/room.h"

#include <cassert>
#include <utility>

#include "layby/policy/eviction.h"

namespace layby::cache {
namespace {

constexpr std::chrono::seconds kLookEvery{5};

class Asker final : public Operation {
 public:
  explicit Asker(std::function<void()> drop) : drop_(std::move(drop)) {}
  ~Asker() override { drop_(); }

 private:
  const std::function<void()> drop_;
};

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
  auto waiter = std::make_shared<Waiter>(Waiter{new_bytes, std::move(done)});
  waiters_.push_back(waiter);
  if (!evicting_) serve();
  if (!waiter->done) return nullptr;
  assert(evicting_);
  return std::make_unique<Asker>([waiter] { waiter->done = nullptr; });
}

void Room::serve() {
  assert(!evicting_);
  while (!waiters_.empty()) {
    const std::shared_ptr<Waiter> first = waiters_.front();
    if (first->done) {
      const policy::SpaceUse now = use();
      const std::uint64_t bytes = policy::bytes_to_evict(context_.rules, now, first->new_bytes);
      const bool may_help = bytes <= now.cached_bytes && !in_vain_;
      if (bytes > 0 && may_help) return evict(bytes);
      set_full(bytes > 0);
    }
    in_vain_ = false;
    waiters_.pop_front();
    if (const auto done = std::exchange(first->done, nullptr)) done(!full_);
  }
}

void Room::evict(std::uint64_t bytes) {
  assert(!evicting_ && bytes > 0);
  evicting_ = true;
  context_.store.evict(bytes, [weak = std::weak_ptr(self_)](const Result<EvictedSum>& sum) {
    const auto alive = weak.lock();
    if (!alive) return;
    Room& self = **alive;
    assert(self.evicting_);
    self.evicting_ = false;
    if (!sum.ok()) self.context_.events.tell(events::EvictionFailed{sum.error()});
    self.in_vain_ = !sum.ok() || sum->blobs + sum->manifests == 0;
    self.serve();
    self.in_vain_ = false;
  });
}

void Room::watch() {
  timer_ = context_.timers.after(kLookEvery, [this] {
    look();
    watch();
  });
}

void Room::look() {
  if (evicting_) return;
  assert(waiters_.empty());
  const policy::SpaceUse now = use();
  const std::uint64_t bytes = policy::bytes_to_evict(context_.rules, now, 0);
  if (bytes == 0) {
    set_full(false);
    return;
  }
  if (bytes <= now.cached_bytes) return evict(bytes);
  set_full(true);
  context_.on_overdrawn();
}

void Room::set_full(bool full) {
  if (std::exchange(full_, full) != full) context_.events.tell(events::DiskFullChanged{full});
}

}  // namespace layby::cache
