// SPDX-License-Identifier: Apache-2.0
//
// The interface of asynchronous work, for code that knows no loop and no socket. A call that starts
// work returns a Handle, whose destructor cancels the work. A callback on the loop thread brings
// the result. Unless a declaration says otherwise, a callback never runs inside the call that
// started it, and the handle may be destroyed inside its last callback.

#ifndef LAYBY_BASE_ASYNC_H_
#define LAYBY_BASE_ASYNC_H_

#include <chrono>
#include <functional>
#include <memory>

namespace layby {

// Work under way. Destroying the Operation cancels the work.
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

  // Calls `then` at the next turn of the loop. The call can't be cancelled, so everything that
  // `then` captures must live until the call.
  virtual void defer(std::function<void()> then) = 0;
};

}  // namespace layby

#endif  // LAYBY_BASE_ASYNC_H_
