// SPDX-License-Identifier: Apache-2.0
//
// Timers that a test turns: calls run only in a turn, and waiting takes no time. A turn is like
// an event loop's: it runs every call that is due at its beginning, in the order of due times.
// Calls that are added during a turn wait for the next turn.

#ifndef LAYBY_TESTS_SUPPORT_FAKE_TIMERS_H_
#define LAYBY_TESTS_SUPPORT_FAKE_TIMERS_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "layby/base/async.h"
#include "support/fake_clock.h"

namespace layby::testing {

class FakeTimers final : public Timers {
 public:
  explicit FakeTimers(FakeClock& clock) : clock_(clock) {}

  Handle after(std::chrono::milliseconds delay, std::function<void()> then) override {
    return std::make_unique<Wait>(add(delay, std::move(then)));
  }
  void defer(std::function<void()> then) override {
    add(std::chrono::milliseconds(0), std::move(then));
  }

  // Makes one turn; false when no call was due.
  bool turn() {
    auto due = take_due();
    for (const auto& call : due) {
      // The callback may drop other calls of this turn, and its own handle.
      if (const auto then = std::exchange(call->then, nullptr)) then();
    }
    return !due.empty();
  }
  // Turns until nothing is due at the present time.
  void run() {
    while (turn()) {
    }
  }
  // Lets `by` pass, and makes a turn at each due time on the way.
  void advance(std::chrono::milliseconds by) {
    const SteadyTime end = clock_.steady_now() + by;
    run();
    for (auto next = next_due(); next && *next <= end; next = next_due()) {
      move_clock_to(*next);
      run();
    }
    move_clock_to(end);
  }

  // How many calls still wait; dropped calls are not counted.
  std::size_t waiting() const {
    return static_cast<std::size_t>(std::count_if(
        calls_.begin(), calls_.end(), [](const CallPtr& call) { return call->then != nullptr; }));
  }

 private:
  struct Call {
    SteadyTime due;
    std::function<void()> then;  // Null when dropped.
  };
  using CallPtr = std::shared_ptr<Call>;

  class Wait final : public Operation {
   public:
    explicit Wait(CallPtr call) : call_(std::move(call)) {}
    ~Wait() override { call_->then = nullptr; }

   private:
    CallPtr call_;
  };

  CallPtr add(std::chrono::milliseconds delay, std::function<void()> then) {
    auto call = std::make_shared<Call>(Call{clock_.steady_now() + delay, std::move(then)});
    const auto later = std::find_if(calls_.begin(), calls_.end(),
                                    [&](const CallPtr& other) { return other->due > call->due; });
    calls_.insert(later, call);
    return call;
  }

  // calls_ is sorted by due time; calls with the same time stay in the order of adding.
  std::vector<CallPtr> take_due() {
    const auto end = std::find_if(calls_.begin(), calls_.end(), [&](const CallPtr& call) {
      return call->due > clock_.steady_now();
    });
    std::vector<CallPtr> due(calls_.begin(), end);
    calls_.erase(calls_.begin(), end);
    return due;
  }
  std::optional<SteadyTime> next_due() const {
    const auto next = std::find_if(calls_.begin(), calls_.end(),
                                   [](const CallPtr& call) { return call->then != nullptr; });
    return next == calls_.end() ? std::nullopt : std::optional((*next)->due);
  }
  void move_clock_to(SteadyTime then) {
    clock_.advance(
        std::chrono::duration_cast<std::chrono::milliseconds>(then - clock_.steady_now()));
  }

  FakeClock& clock_;
  std::vector<CallPtr> calls_;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_FAKE_TIMERS_H_
