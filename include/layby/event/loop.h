// SPDX-License-Identifier: Apache-2.0
//
// The one event loop of the daemon, over libevent's core: timers, signals, the readiness of
// descriptors, and calls posted from other threads. Threads other than the loop's may call only
// post(). No libevent handle leaves this module.

#ifndef LAYBY_EVENT_LOOP_H_
#define LAYBY_EVENT_LOOP_H_

#include <chrono>
#include <functional>
#include <memory>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/base/result.h"

namespace layby::event {

// An IoHandler learns when a descriptor is ready. on_io() may destroy the IoWatch that calls it.
class IoHandler {
 public:
  virtual ~IoHandler() = default;
  virtual void on_io(bool readable, bool writable) = 0;
};

// Watches one descriptor, level-triggered, until the watch is destroyed. The descriptor belongs to
// the caller, who closes the descriptor after destroying the watch.
class IoWatch {
 public:
  virtual ~IoWatch() = default;
  // Chooses the events that on_io() reports. A new watch reports no events.
  virtual void want(bool readable, bool writable) = 0;
};

// A deadline that moves often. arm() replaces the deadline, disarm() removes the deadline. The
// callback may destroy its own Alarm.
class Alarm {
 public:
  virtual ~Alarm() = default;
  virtual void arm(std::chrono::milliseconds delay) = 0;
  virtual void disarm() = 0;
};

class Loop final : public Timers {
 public:
  // Fails with kIo when the kernel refuses epoll or an eventfd.
  static Result<std::unique_ptr<Loop>> create();
  ~Loop() override;

  // Runs the loop until stop(). A callback must not call run().
  void run();
  // Ends run() after the present callback. Calls that were posted together run in one callback.
  void stop();

  // `handler` outlives the watch.
  std::unique_ptr<IoWatch> watch(int fd, IoHandler& handler);
  std::unique_ptr<Alarm> alarm(std::function<void()> on_alarm);
  // Calls `on_signal` on the loop each time the process gets `signal_number`.
  Handle on_signal(int signal_number, std::function<void()> on_signal);

  Handle after(std::chrono::milliseconds delay, std::function<void()> then) override;
  void defer(std::function<void()> then) override;

  // May be called on any thread. The loop thread runs the calls in the order of posting. The loop's
  // destructor destroys calls that have not run.
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
