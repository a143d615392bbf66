// SPDX-License-Identifier: Apache-2.0
//
// A circuit breaker: whether an upstream is worth asking, learnt from how the last
// requests went. What it costs to find out is paid once: while it is open nobody else
// waits, and small probes find out when it is over. The only state is that of one
// upstream; times are passed in.
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
    kClosed,    // It answers.
    kDoubtful,  // Something went wrong a moment ago: what has a cached answer should take it.
    kOpen,      // It is down: nothing new should be asked.
  };

  // An answer came, whatever it said.
  void on_answer();
  // No answer, and it was known soon: refused, reset, no such name, a 5xx.
  void on_failure(SteadyTime now);
  // No answer within a time that was short, or none any more in mid-body.
  void on_doubt(SteadyTime now);
  // No answer within all the time that an answer may take.
  void on_time_out(SteadyTime now);
  void on_probe_failed(SteadyTime now);
  // Somebody was turned away: the next probe may come sooner, though not twice a second.
  void on_turned_away(SteadyTime now);

  State state() const { return state_; }
  // When the next probe is due; nullopt while it is closed.
  std::optional<SteadyTime> probe_at() const;
  // Since when it is not closed.
  SteadyTime since() const { return since_; }

 private:
  void doubt(SteadyTime now);
  void open(SteadyTime now);

  State state_ = State::kClosed;
  int failures_ = 0;        // In a row.
  int failed_probes_ = 0;   // In a row.
  SteadyTime probe_at_{};   // Not when closed.
  SteadyTime probed_at_{};  // The last failed one.
  SteadyTime since_{};
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_BREAKER_H_
