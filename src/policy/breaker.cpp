// SPDX-License-Identifier: Apache-2.0
//
// The first probe follows the first failure at once: whether it was one request's bad
// luck or the link is known a moment later, before the next pull.

#include "layby/policy/breaker.h"

#include <algorithm>

namespace layby::policy {
namespace {

// Failures that cost no time, in a row, before it is taken for down.
constexpr int kQuickFailures = 3;

constexpr std::chrono::seconds kFirstProbe{1};
// A link that is back should be found so before somebody is sent away once more.
constexpr std::chrono::seconds kLatestProbe{5};
constexpr int kMaxDoublings = 3;  // 2^3 s is above the latest.

}  // namespace

void Breaker::on_answer() {
  state_ = State::kClosed;
  failures_ = 0;
  failed_probes_ = 0;
}

void Breaker::on_failure(SteadyTime now) {
  ++failures_;
  failures_ < kQuickFailures ? doubt(now) : open(now);
}

void Breaker::on_doubt(SteadyTime now) { doubt(now); }

void Breaker::on_time_out(SteadyTime now) { open(now); }

void Breaker::on_probe_failed(SteadyTime now) {
  if (state_ == State::kClosed) return;  // An answer came meanwhile.
  open(now);
  const int doublings = std::min(failed_probes_++, kMaxDoublings);
  probed_at_ = now;
  probe_at_ = now + std::min(kFirstProbe * (1 << doublings), kLatestProbe);
}

void Breaker::on_turned_away(SteadyTime now) {
  probe_at_ = std::min(probe_at_, std::max(now, probed_at_ + kFirstProbe));
}

std::optional<SteadyTime> Breaker::probe_at() const {
  return state_ == State::kClosed ? std::nullopt : std::optional(probe_at_);
}

void Breaker::doubt(SteadyTime now) {
  if (state_ != State::kClosed) return;
  state_ = State::kDoubtful;
  probe_at_ = since_ = now;
}

void Breaker::open(SteadyTime now) {
  doubt(now);
  state_ = State::kOpen;
}

}  // namespace layby::policy
