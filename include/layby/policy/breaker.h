// SPDX-License-Identifier: Apache-2.0
//
// A circuit breaker: whether an upstream is worth asking, learnt from its last answers
// and failures. Only the first requests wait for a dead upstream: while the breaker is
// open other requests fail at once, and small probes find out when the upstream is back.
// A breaker holds the state of one upstream; times are passed in.
//
//   closed --- failure, late answer ---> doubtful --- probe failed, three failures --+
//     ^  |                                  |                                        v
//     |  +--- time-out ----------------------------------------------------------> open
//     |                                     |                                        |
//     +------------- any answer ------------+----------------------------------------+

#ifndef LAYBY_POLICY_BREAKER_H_
#define LAYBY_POLICY_BREAKER_H_

#include <chrono>
#include <optional>

#include "layby/base/clock.h"

namespace layby::policy {

class Breaker {
 public:
  enum class State {
    kClosed,    // The upstream answers.
    kDoubtful,  // A request failed a moment ago: use a cached answer where there is one.
    kOpen,      // The upstream is down: send no new request.
  };

  // An answer came, with any status.
  void on_answer();
  // A quick failure: refused, reset, no such name, a 5xx.
  void on_failure(SteadyTime now);
  // No answer within a short timeout, or the body stopped in the middle.
  void on_doubt(SteadyTime now);
  // No answer within the full timeout.
  void on_time_out(SteadyTime now);
  void on_probe_failed(SteadyTime now);
  // A request was turned away, so the next probe may come sooner, but at least a second after
  // the last failed probe. Call it only while the breaker isn't closed.
  void on_turned_away(SteadyTime now);

  State state() const { return state_; }
  // When the next probe is due; nullopt while the breaker is closed.
  std::optional<SteadyTime> probe_at() const;
  // When the breaker left kClosed. Means nothing while it is closed.
  SteadyTime since() const { return since_; }

 private:
  void doubt(SteadyTime now);
  void open(SteadyTime now);

  State state_ = State::kClosed;
  int failures_ = 0;        // In a row.
  int failed_probes_ = 0;   // In a row.
  SteadyTime probe_at_{};   // Means nothing while closed.
  SteadyTime probed_at_{};  // The last failed probe.
  SteadyTime since_{};
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_BREAKER_H_
