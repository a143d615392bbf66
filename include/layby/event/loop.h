// SPDX-License-Identifier: Apache-2.0
//
// The one event loop of the daemon, over libevent's core: readiness of descriptors,
// timers, signals, and calls posted from other threads. Everything but post() is for
// the loop thread. No libevent handle leaves this module.

#ifndef LAYBY_EVENT_LOOP_H_
#define LAYBY_EVENT_LOOP_H_

#include <chrono>
#include <functional>
#include <memory>

#include "layby/base/clock.h"
#include "layby/base/result.h"
#include "layby/cache/async.h"

namespace layby::event {

// Told when a descriptor is ready. May destroy its own IoWatch.
class IoHandler {
 public:
  virtual ~IoHandler() = default;
  virtual void on_io(bool readable, bool writable) = 0;
};

// Watches one descriptor, level-triggered. Its destructor stops that; the descriptor is
// the owner's and closes after it.
class IoWatch {
 public:
  virtual ~IoWatch() = default;
  // What on_io is called for; nothing at first.
  virtual void want(bool readable, bool writable) = 0;
};

// A deadline that is moved often: arm() again replaces, disarm() forgets. The callback
// may destroy its own Alarm.
class Alarm {
 public:
  virtual ~Alarm() = default;
  virtual void arm(std::chrono::milliseconds delay) = 0;
  virtual void disarm() = 0;
};

class Loop final : public cache::Timers {
 public:
  // kIo when the kernel has no epoll or eventfd to give.
  static Result<std::unique_ptr<Loop>> create();
  ~Loop() override;

  // Turns until stop().
  void run();
  // Ends run() after the present turn.
  void stop();

  // `handler` outlives the watch.
  std::unique_ptr<IoWatch> watch(int fd, IoHandler& handler);
  std::unique_ptr<Alarm> alarm(std::function<void()> on_alarm);
  // Calls `on_signal` on the loop for each `signal_number` the process gets.
  cache::Handle on_signal(int signal_number, std::function<void()> on_signal);

  cache::Handle after(std::chrono::milliseconds delay, std::function<void()> then) override;
  void defer(std::function<void()> then) override;

  // From any thread: runs `call` on the loop thread, in order. What is posted after
  // run() has ended is dropped with the loop.
  void post(std::function<void()> call);

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

 private:
  struct State;
  explicit Loop(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace layby::event

#endif  // LAYBY_EVENT_LOOP_H_
