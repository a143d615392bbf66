// SPDX-License-Identifier: Apache-2.0
//
// A circuit breaker learns from the last answers and failures of an upstream whether a new
// request is worth sending. While the breaker is open, requests fail at once instead of waiting
// for a dead upstream, and small probes find out when the upstream is back. A failure that says
// little about the upstream changes no state: a probe asks the upstream itself. A breaker has the
// state of one upstream. The caller passes the times in.
//
//   closed --- failure, doubt ---------> doubtful --- probe failed, three failures --+
//     ^  |                                  |                                        v
//     |  +--- time-out, probe failed after a hint -------------------------------> open
//     |                                     |                                        |
//     +------------- answer ----------------+----------------------------------------+

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
    kDoubtful,  // A request failed a moment ago. A cached answer is better than a new request.
    kOpen,      // The upstream is down: send no new request.
  };

  // A readable answer with a status below 500 came, or a probe was answered.
  void on_answer(SteadyTime now);
  // A request got no usable answer: the connection was refused or reset, the host name is unknown,
  // or the answer has a 5xx status. A time-out doesn't count here.
  void on_failure(SteadyTime now);
  // A request, sent at `sent_at`, got no answer within a short deadline. If the upstream has
  // answered another request since `sent_at`, this is a hint.
  void on_doubt(SteadyTime now, SteadyTime sent_at);
  // The body of a blob ended or stopped in the middle, or another server failed: a CDN or a token
  // server. A probe is due at once.
  void on_hint(SteadyTime now);
  // The same for the full deadline.
  void on_time_out(SteadyTime now, SteadyTime sent_at);
  void on_probe_failed(SteadyTime now);
  // A request was turned away, so the next probe is due at once, but not within a second after the
  // last failed probe. Called only while the breaker isn't closed.
  void on_turned_away(SteadyTime now);

  State state() const { return state_; }
  // When the next probe is due; nullopt while the breaker is closed and no hint came since the last
  // answer.
  std::optional<SteadyTime> probe_at() const;
  // When the breaker left kClosed. Means nothing in kClosed.
  SteadyTime since() const { return since_; }

 private:
  bool has_answered_since(SteadyTime sent_at) const {
    return answered_at_ && *answered_at_ > sent_at;
  }
  void doubt(SteadyTime now);
  void open(SteadyTime now);

  State state_ = State::kClosed;
  bool hinted_ = false;     // In kClosed: a hint came since the last answer.
  int failures_ = 0;        // Since the last answer.
  int failed_probes_ = 0;   // Since the last answer.
  SteadyTime probe_at_{};   // Means nothing in kClosed without a hint.
  SteadyTime probed_at_{};  // When the last probe failed.
  SteadyTime since_{};
  std::optional<SteadyTime> answered_at_;  // The last answer.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_BREAKER_H_
