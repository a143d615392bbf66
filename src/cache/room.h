// SPDX-License-Identifier: Apache-2.0
//
// Room on the disk for what comes: admits fills one after the other, evicts what
// policy::bytes_to_evict says must go for them, and looks now and then whether somebody
// else's bytes make more of it necessary. Lives on the loop thread.

#ifndef LAYBY_CACHE_ROOM_H_
#define LAYBY_CACHE_ROOM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "layby/cache/async.h"
#include "layby/cache/store.h"
#include "layby/policy/admission.h"

namespace layby::cache {

class Room {
 public:
  struct Context {
    const policy::SpaceRules& rules;
    Store& store;
    Timers& timers;
    // What admitted fills have still to write.
    std::function<std::uint64_t()> reserved_bytes;
    // There is too little room for what is in flight, and nothing more may go.
    std::function<void()> on_overdrawn;
  };

  explicit Room(Context context);
  ~Room();

  // Calls `done`, before it returns or later, with whether `new_bytes` more may be
  // stored. The caller counts as admitted from within that call on.
  Handle make(std::uint64_t new_bytes, std::function<void(bool)> done);

  // The last one who asked was refused.
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
