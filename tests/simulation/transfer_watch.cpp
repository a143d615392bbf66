// SPDX-License-Identifier: Apache-2.0

#include "simulation/transfer_watch.h"

#include <chrono>

#include "site_day/images.h"

namespace layby::simulation {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStallTimeOut{30'000};
// The floor of layby/policy/rate_floor.h, in the simulation's bytes.
constexpr policy::RateFloorRules kFloor{policy::RateFloorRules{}.min_bytes /
                                        site_day::kBytesPerByte};

}  // namespace

void TransferWatch::begin() {
  under_way_ = true;
  arm();
}

void TransferWatch::begin_body() {
  floor_.emplace(kFloor, clock_.steady_now());
  arm();
}

void TransferWatch::count(std::size_t bytes) {
  if (floor_) floor_->count(bytes);
  stall_.reset();
  if (under_way_ && !paused_) stall_ = timers_.after(kStallTimeOut, on_too_slow_);
}

void TransferWatch::pause() {
  paused_ = true;
  stall_.reset();
  window_.reset();
  if (floor_) floor_->stop(clock_.steady_now());
}

void TransferWatch::resume() {
  if (!std::exchange(paused_, false)) return;
  arm();
}

void TransferWatch::end() {
  under_way_ = false;
  stall_.reset();
  window_.reset();
}

void TransferWatch::arm() {
  if (!under_way_) return;
  const SteadyTime now = clock_.steady_now();
  if (paused_) {
    if (floor_) floor_->stop(now);
    return;
  }
  stall_ = timers_.after(kStallTimeOut, on_too_slow_);
  if (!floor_) return;
  floor_->go_on(now);
  window_ = timers_.after(std::chrono::ceil<milliseconds>(floor_->left(now)),
                          [this] { on_window_end(); });
}

void TransferWatch::on_window_end() {
  const Handle over = std::move(window_);
  const SteadyTime now = clock_.steady_now();
  if (floor_->fails(now)) return on_too_slow_();
  window_ = timers_.after(std::chrono::ceil<milliseconds>(floor_->left(now)),
                          [this] { on_window_end(); });
}

}  // namespace layby::simulation
