// SPDX-License-Identifier: Apache-2.0
//
// Asynchronous work as floor 3 sees it, without a loop or a socket. Starting work
// returns a Handle; destroying the Handle cancels the work. The result comes by callback
// on the loop thread. Unless a declaration says otherwise, a callback never runs inside
// the call that started the work, and the last callback may destroy the handle.

#ifndef LAYBY_CACHE_ASYNC_H_
#define LAYBY_CACHE_ASYNC_H_

#include <chrono>
#include <functional>
#include <memory>

namespace layby::cache {

// Work under way. The destructor cancels it.
class Operation {
 public:
  Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  virtual ~Operation() = default;
};

using Handle = std::unique_ptr<Operation>;

class Timers {
 public:
  virtual ~Timers() = default;

  // Calls `then` once, after `delay`.
  virtual Handle after(std::chrono::milliseconds delay, std::function<void()> then) = 0;

  // Calls `then` in the next turn of the loop, even if the caller is gone by then.
  // Everything that `then` refers to must live until that call.
  virtual void defer(std::function<void()> then) = 0;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_ASYNC_H_
