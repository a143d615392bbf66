// SPDX-License-Identifier: Apache-2.0
//
// The end of the daemon. A drain makes /healthz say 503 while everything is still served, so that
// load balancers send the next requests elsewhere. Then the daemon stops accepting clients, and
// answers under way may be finished for Config::shutdown_grace. Lives on the loop thread.

#ifndef LAYBY_SRC_APP_SHUTDOWN_H_
#define LAYBY_SRC_APP_SHUTDOWN_H_

#include <chrono>
#include <functional>

#include "layby/app/config.h"
#include "layby/base/async.h"
#include "layby/base/clock.h"

namespace layby::app {

class Shutdown {
 public:
  struct Calls {
    // The drain lasts until `left` from now. Called again when a signal shortens the drain.
    std::function<void(std::chrono::milliseconds left)> on_draining;
    std::function<void()> on_ending;  // Stops accepting clients.
    std::function<void()> stop;       // Stops the loop.
  };

  // References outlive the Shutdown.
  Shutdown(const Config& config, Timers& timers, const Clock& clock, Calls calls);

  // Begins a drain of Config::drain_for, or shortens the drain under way to that. The second call
  // stops the loop.
  void on_signal();
  // Begins a drain of `wait`, or lets the drain under way last `wait` from now. Does nothing when
  // clients are no longer accepted.
  void drain(std::chrono::milliseconds wait);

  // Whether load balancers should send their requests elsewhere.
  bool draining() const { return state_ != State::kServing; }

 private:
  enum class State {
    kServing,
    kDraining,  // Everything is served; /healthz says 503.
    kEnding,    // No client is accepted; answers under way are finished.
  };

  void enter(State next);
  void end();

  const Config& config_;
  Timers& timers_;
  const Clock& clock_;
  const Calls calls_;
  State state_ = State::kServing;
  bool signalled_ = false;
  SteadyTime drained_at_{};  // The end of the drain, in kDraining.
  Handle timer_;             // Set unless serving: ends the drain, or stops the loop.
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_SHUTDOWN_H_
