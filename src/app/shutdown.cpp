// SPDX-License-Identifier: Apache-2.0
//
// Invariant: timer_ is set in every state but kServing, so the daemon ends even if clients stay
// connected.

#include "app/shutdown.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::app {

using std::chrono::milliseconds;

Shutdown::Shutdown(const Config& config, Timers& timers, const Clock& clock, Calls calls)
    : config_(config), timers_(timers), clock_(clock), calls_(std::move(calls)) {
  assert(calls_.on_draining && calls_.on_ending && calls_.stop);
}

void Shutdown::enter(State next) {
  assert(next == State::kDraining ? state_ != State::kEnding : state_ == State::kDraining);
  state_ = next;
}

void Shutdown::on_signal() {
  if (std::exchange(signalled_, true)) return calls_.stop();
  milliseconds wait = config_.drain_for;
  if (state_ == State::kDraining) {
    const auto left = std::chrono::ceil<milliseconds>(drained_at_ - clock_.steady_now());
    wait = std::clamp(left, milliseconds(0), wait);
  }
  drain(wait);
}

void Shutdown::drain(milliseconds wait) {
  if (state_ == State::kEnding) return;
  enter(State::kDraining);
  drained_at_ = clock_.steady_now() + wait;
  timer_ = timers_.after(wait, [this] { end(); });
  calls_.on_draining(wait);
}

void Shutdown::end() {
  enter(State::kEnding);
  timer_ = timers_.after(config_.shutdown_grace, [this] { calls_.stop(); });
  calls_.on_ending();
}

}  // namespace layby::app
