// SPDX-License-Identifier: Apache-2.0
//
// Room on the disk for new blobs. Admits fills one after the other, in the order in which
// they ask, and evicts as much as policy::bytes_to_evict demands. Now and then it looks
// whether other files on the disk make more evictions necessary. Lives on the loop thread.
// Invariants: at most one eviction is under way; somebody waits only during an eviction.

#ifndef LAYBY_CACHE_ROOM_H_
#define LAYBY_CACHE_ROOM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "layby/base/async.h"
#include "layby/cache/store.h"
#include "layby/events/events.h"
#include "layby/policy/admission.h"

namespace layby::cache {

class Room {
 public:
  struct Context {
    const policy::SpaceRules& rules;
    Store& store;
    Timers& timers;
    // The bytes that admitted fills have still to write.
    std::function<std::uint64_t()> reserved_bytes;
    // Fills in flight have too little room, even if everything cached were evicted.
    std::function<void()> on_overdrawn;
    events::Events& events;
  };

  explicit Room(Context context);
  ~Room();

  // Calls `done`, before it returns or later, with whether `new_bytes` more may be stored.
  // From that call on, reserved_bytes() includes the caller's bytes.
  Handle make(std::uint64_t new_bytes, std::function<void(bool)> done);

  // There was no room at the last request or look.
  bool full() const { return full_; }

 private:
  struct Waiter {
    std::uint64_t new_bytes = 0;
    std::function<void(bool)> done;
  };

  policy::SpaceUse use() const;
  void serve();
  void evict(std::uint64_t bytes);
  void watch();
  void look();
  void set_full(bool full);

  const Context context_;
  std::deque<std::shared_ptr<Waiter>> waiters_;
  bool evicting_ = false;
  bool in_vain_ = false;  // The last eviction freed nothing.
  bool full_ = false;
  Handle timer_;
  std::shared_ptr<Room*> self_ = std::make_shared<Room*>(this);
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_ROOM_H_
