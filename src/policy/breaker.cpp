// SPDX-License-Identifier: Apache-2.0
//
// The first probe is due at once after the first failure. So Layby knows before the next pull
// whether the link failed or only the request.
//
// Invariants: failed_probes_ is 0 in kClosed; hinted_ is set only in kClosed.

#include "layby/policy/breaker.h"

#include <algorithm>
#include <cassert>

namespace layby::policy {
namespace {

// This many quick failures in a row mean that the upstream is down.
constexpr int kQuickFailures = 3;

constexpr std::chrono::seconds kFirstProbe{1};
// Short enough to notice soon that the link is back.
constexpr std::chrono::seconds kLatestProbe{5};
constexpr int kMaxProbeDoublings = 3;  // 2^3 s is above kLatestProbe.

}  // namespace

void Breaker::on_answer(SteadyTime now) {
  answered_at_ = now;
  state_ = State::kClosed;
  hinted_ = false;
  failures_ = 0;
  failed_probes_ = 0;
}

void Breaker::on_failure(SteadyTime now) {
  ++failures_;
  failures_ < kQuickFailures ? doubt(now) : open(now);
}

void Breaker::on_doubt(SteadyTime now, SteadyTime sent_at) {
  has_answered_since(sent_at) ? on_hint(now) : doubt(now);
}

void Breaker::on_hint(SteadyTime now) {
  if (state_ != State::kClosed || hinted_) return;
  hinted_ = true;
  probe_at_ = now;
}

void Breaker::on_time_out(SteadyTime now, SteadyTime sent_at) {
  has_answered_since(sent_at) ? on_hint(now) : open(now);
}

void Breaker::on_probe_failed(SteadyTime now) {
  if (!probe_at()) return;  // A request was answered during the probe.
  open(now);
  const int doublings = std::min(failed_probes_++, kMaxProbeDoublings);
  probed_at_ = now;
  probe_at_ = now + std::min(kFirstProbe * (1 << doublings), kLatestProbe);
}

void Breaker::on_turned_away(SteadyTime now) {
  assert(state_ != State::kClosed);
  probe_at_ = std::min(probe_at_, std::max(now, probed_at_ + kFirstProbe));
}

std::optional<SteadyTime> Breaker::probe_at() const {
  return state_ == State::kClosed && !hinted_ ? std::nullopt : std::optional(probe_at_);
}

void Breaker::doubt(SteadyTime now) {
  if (state_ != State::kClosed) return;
  assert(failed_probes_ == 0);
  state_ = State::kDoubtful;
  hinted_ = false;
  probe_at_ = since_ = now;
}

void Breaker::open(SteadyTime now) {
  doubt(now);
  state_ = State::kOpen;
}

}  // namespace layby::policy
