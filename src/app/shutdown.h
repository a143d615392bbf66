// SPDX-License-Identifier: Apache-2.0
//
// Ends the daemon. During a drain the daemon serves everything, but /healthz says 503, so that load
// balancers send the next requests elsewhere. Then the daemon stops accepting clients, and answers
// under way have Config::shutdown_grace to finish. Lives on the loop thread.

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
    // The drain ends after `left`. Called again when the time of the drain changes.
    std::function<void(std::chrono::milliseconds left)> on_draining;
    std::function<void()> on_ending;  // Stops accepting clients.
    std::function<void()> stop;       // Stops the loop.
  };

  // The referenced arguments outlive the Shutdown.
  Shutdown(const Config& config, Timers& timers, const Clock& clock, Calls calls);

  // The first call begins a drain of Config::drain_for, or shortens the drain under way to
  // Config::drain_for. The second call stops the loop.
  void on_signal();
  // Begins a drain of `wait`, or changes the end of the drain under way to `wait` from now. Does
  // nothing in kEnding.
  void drain(std::chrono::milliseconds wait);

  // Whether load balancers should send their requests elsewhere.
  bool draining() const { return state_ != State::kServing; }

 private:
  enum class State {
    kServing,
    kDraining,  // Everything is served; /healthz says 503.
    kEnding,    // No client is accepted; answers under way go on.
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
  Handle timer_;             // Ends the drain, or stops the loop. Null in kServing.
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_SHUTDOWN_H_
