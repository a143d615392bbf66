// SPDX-License-Identifier: Apache-2.0
//
// Makes room on the disk for new blobs. Admits fills one after the other, in the order in which
// they ask, and evicts as much as policy::bytes_to_evict() demands. Every five seconds, look()
// finds out whether other files on the disk make evictions necessary. Lives on the loop thread.
// Invariants: at most one eviction is under way; nobody waits in kIdle; each request is
// answered once, unless the request was dropped.

#ifndef LAYBY_CACHE_ROOM_H_
#define LAYBY_CACHE_ROOM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "layby/base/async.h"
#include "layby/base/lifetime.h"
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
    // How many bytes the admitted fills still have to write.
    std::function<std::uint64_t()> reserved_bytes;
    // Called when the limits are broken, and evicting everything cached would not help.
    std::function<void()> on_overdrawn;
    events::Events& events;
  };

  explicit Room(Context context);
  ~Room();

  // Calls `done` before make() returns or later, with true if `new_bytes` more bytes may be stored.
  // After `done(true)`, the context's reserved_bytes() must include the caller's bytes.
  Handle make(std::uint64_t new_bytes, std::function<void(bool)> done);
  // Like make(), for content that no client waits for. The content displaces nothing in `spare`. If
  // there is no room for the content, full() doesn't change.
  Handle make_beside(const Spare& spare, std::uint64_t new_bytes, std::function<void(bool)> done);

  // Whether there was no room at the last request, or when look() last ran.
  bool full() const { return full_; }

 private:
  enum class State {
    kIdle,       // No eviction is under way, and nobody waits.
    kAnswering,  // serve() answers waiters. A request from inside an answer waits for its turn.
    kEvicting,   // The store evicts. All requests wait.
  };
  struct Waiter {
    std::uint64_t new_bytes = 0;
    Droppable<bool>::Call answer;
    std::optional<Spare> spare{};  // Set by make_beside().
  };

  void enter(State state);
  policy::SpaceUse use() const;
  // Answers the waiters in their order, up to a waiter that needs an eviction. `in_vain`: the
  // last eviction freed nothing, so no eviction is tried for the first waiter.
  void serve(bool in_vain);
  Handle wait(Waiter waiter, std::unique_ptr<Droppable<bool>> asker);
  void evict(std::uint64_t bytes, const Spare& spare);
  void on_evicted(const Result<EvictedSum>& sum);
  void watch();
  void look();
  void set_full(bool full);

  const Context context_;
  State state_ = State::kIdle;
  std::deque<Waiter> waiters_;
  bool full_ = false;
  bool eviction_failed_ = false;  // The last eviction failed.
  Handle timer_;
  Lifetime life_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_ROOM_H_
