// SPDX-License-Identifier: Apache-2.0
//
// Sends a hedge when the first byte of a fill's transfer is late: a second request over a new
// connection. An upstream may hang on one request, and answer the next request at once. The first
// hedge goes out after policy::Hedge::delay(). Each further hedge is sent for a newcomer: a client
// that opens the fill later. Without this hedge, the newcomer would wait for a request that hangs.
// Lives on the loop thread.
//
// Invariants: due_ is set only while asked_at_ is set; sent_ <= policy::Hedge::kMost.

#ifndef LAYBY_CACHE_FILL_HEDGE_H_
#define LAYBY_CACHE_FILL_HEDGE_H_

#include <functional>
#include <optional>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/policy/hedge.h"

namespace layby::cache {

class FillHedge {
 public:
  // `send` sends a hedge, and returns whether it was sent. No callback comes inside `send`. The
  // referenced objects outlive this object.
  FillHedge(policy::Hedge& policy, Timers& timers, const Clock& clock, Counters& counters,
            std::function<bool()> send)
      : policy_(policy),
        timers_(timers),
        clock_(clock),
        counters_(counters),
        send_(std::move(send)) {}

  // The transfer's first request was sent. Each call begins anew, with no hedge sent.
  void on_asked();
  // One more client waits for the first byte.
  void on_newcomer();
  // The answer of a hedge or of the first request began.
  void on_answer(bool by_hedge);
  // Ends the wait for an answer.
  void stop();

 private:
  void arm();
  void on_due();
  bool send(policy::Hedge::For who);

  policy::Hedge& policy_;
  Timers& timers_;
  const Clock& clock_;
  Counters& counters_;
  const std::function<bool()> send_;
  std::optional<SteadyTime> asked_at_;  // Set while the first byte is awaited.
  SteadyTime newest_at_{};              // When the newest request was sent.
  int sent_ = 0;                        // The hedges since asked_at_.
  Handle due_;                          // The timer of on_due().
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILL_HEDGE_H_
