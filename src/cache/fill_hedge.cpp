// SPDX-License-Identifier: Apache-2.0
//
// A hedge that can't be sent when it is due is tried again after another delay. A newcomer's hedge
// comes at least kMostDelay after an earlier hedge, so that upstream gets only a few requests for a
// blob on which it hangs.

#include "cache/fill_hedge.h"

#include <cassert>

namespace layby::cache {

using policy::Hedge;

void FillHedge::on_asked() {
  policy_.on_request();
  asked_at_ = newest_at_ = clock_.steady_now();
  sent_ = 0;
  arm();
}

void FillHedge::on_newcomer() {
  if (!asked_at_) return;
  const auto patience = sent_ == 0 ? policy_.delay() : Hedge::kMostDelay;
  const bool is_due = clock_.steady_now() - newest_at_ >= patience;
  if (is_due && !send(Hedge::For::kNewcomer) && sent_ < Hedge::kMost) arm();
}

void FillHedge::on_answer(bool by_hedge) {
  if (!asked_at_) return;
  assert(!by_hedge || sent_ > 0);
  if (by_hedge) count(counters_.hedges_won);
  // The time that a hedge took says how fast upstream is. A request that hung says nothing.
  const auto took = clock_.steady_now() - (by_hedge ? newest_at_ : *asked_at_);
  policy_.on_first_byte(std::chrono::ceil<std::chrono::milliseconds>(took));
  stop();
}

void FillHedge::stop() {
  asked_at_.reset();
  due_.reset();
}

void FillHedge::arm() {
  assert(asked_at_);
  due_ = timers_.after(policy_.delay(), [this] { on_due(); });
}

void FillHedge::on_due() {
  due_.reset();
  if (!send(Hedge::For::kFirst)) arm();
}

bool FillHedge::send(Hedge::For who) {
  assert(asked_at_);
  const SteadyTime now = clock_.steady_now();
  if (sent_ == Hedge::kMost || !policy_.take(who, now)) return false;
  if (!send_()) {
    policy_.give_back();
    return false;
  }
  ++sent_;
  newest_at_ = now;
  due_.reset();
  count(counters_.hedges_sent);
  return true;
}

}  // namespace layby::cache
