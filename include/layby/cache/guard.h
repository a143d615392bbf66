// SPDX-License-Identifier: Apache-2.0
//
// Stands before an upstream and keeps to the upstream's limits. The guard sends no more requests in
// a minute than allowed, apart from pings. The guard remembers a 429 and a failed link, and pings a
// failed upstream until it answers. Work under way goes on and is retried. When a time-out shows
// that the upstream is down, the guard ends all requests that have no byte yet. Callers ask
// why_not() or patience() before they begin new work. Lives on the loop thread.

#ifndef LAYBY_CACHE_GUARD_H_
#define LAYBY_CACHE_GUARD_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/cache/relay.h"
#include "layby/cache/rules.h"
#include "layby/events/events.h"
#include "layby/policy/breaker.h"
#include "layby/policy/quiet_times.h"
#include "layby/policy/quota.h"

namespace layby::cache {

class BlobSlots;
class Turns;

struct GuardRules {
  int requests_per_minute = 300;  // 0 for no limit. Pings don't count.
  // Further blobs wait in a line. A small request never waits for a blob.
  std::size_t max_blob_transfers = 32;
  policy::QuotaReserve reserve;  // The part of the pull limit that is left for people.
  // When a request times out, the upstream counts as down if the request's deadline was at least
  // request_timeout. If the deadline was shorter, the upstream counts only as doubtful.
  std::chrono::milliseconds request_timeout = kRequestTimeout;
  std::chrono::milliseconds probe_timeout{5'000};
  // Pings the upstream at once, and treats its link as doubtful until the upstream answers. A
  // parent's answer names the boxes that the parent asks, so a loop is found before the first
  // request.
  bool probe_first = false;

  bool operator==(const GuardRules&) const = default;
};

struct GuardStatus {
  policy::Breaker::State link = policy::Breaker::State::kClosed;
  std::chrono::seconds link_since{0};  // Time since the breaker left kClosed; 0 while closed.
  // How long the quiet time after a 429 still lasts: for all requests, and for manifests.
  std::chrono::seconds throttled_for{0};
  std::chrono::seconds pulls_throttled_for{0};
  std::string error;  // The last failure; empty after an answer.
};

class Guard final : public Relay {
 public:
  // `name` is the upstream's name in messages: "docker.io". The referenced objects outlive the
  // guard.
  Guard(std::string name, GuardRules rules, std::unique_ptr<Upstream> inner, Timers& timers,
        const Clock& clock, events::Events& events);
  ~Guard() override;

  GuardStatus status() const;

  std::unique_ptr<BlobTransfer> get_blob(const std::string& repository, const oci::Digest& digest,
                                         const BlobSpan& span, BlobSink& sink) override;
  void on_more_askers() override;
  Handle ping(std::chrono::milliseconds deadline, std::function<void(Status)> done) override;
  std::optional<policy::QuotaState> quota() const override;
  std::vector<std::string> boxes() const override { return inner_->boxes(); }
  std::optional<Error> why_not(Ask ask) override;
  Patience patience(Ask ask) const override;

 private:
  class Transfer;
  class Unanswered;
  // The facts about a request that the guard needs to judge the request's failure.
  struct Asked {
    Ask ask;
    std::string repository{};
    std::string content{};  // The tag or digest; empty for a list of tags.
    bool quick = false;     // The deadline was shorter than request_timeout.
    bool started = false;   // The answer with the blob had begun.
    SteadyTime sent_at{};   // Set by on_sent().
  };

  class Passing;

  // Sends the question as soon as requests_per_minute allows another request. Fails the question if
  // its turn would come too late.
  Handle relay(Question question, Done<Answer> done) override;
  void on_sent(Asked& asked);
  // Whether a request would wait in vain for its slot or its turn.
  bool is_open() const { return breaker_.state() == policy::Breaker::State::kOpen; }
  // `error` is null for a good answer.
  void on_ended(const Asked& asked, const Error* error);
  void on_throttled(const Asked& asked, const Error& error);
  void on_declined(const Error& error);
  // Why this request must not be sent now: a quiet time for its repository or its content is under
  // way. nullopt if the request may be sent.
  std::optional<Error> why_part_not(const Asked& asked) const;
  Error why_open() const;
  // Tells listeners when upstream stated another pull limit, or another number of remaining pulls.
  void tell_quota();
  void probe_when_due();
  void probe();
  // Tells listeners of a changed link, and plans the next ping. `before` is the earlier state of
  // the breaker. `error` is the failure that changed the link; null after an answer.
  void after_change(policy::Breaker::State before, const Error* error);
  // Ends the requests that wait for a slot or a turn. If upstream is silent, also ends the requests
  // that were sent and have no byte yet.
  void end_unanswered(bool is_silent);
  // The error of a request that isn't sent because upstream is down. The caller may try again.
  Error no_wait() const;
  Error no_turn(std::chrono::milliseconds wait) const;

  const std::string name_;
  const GuardRules rules_;
  const std::unique_ptr<Upstream> inner_;
  Timers& timers_;
  const Clock& clock_;
  events::Events& events_;
  policy::Breaker breaker_;
  const std::unique_ptr<Turns> turns_;
  const std::unique_ptr<BlobSlots> slots_;
  policy::QuietTimes quiet_;
  // The last failure; empty after an answer. Refusals name the last failure as their reason.
  std::string last_error_;
  SteadyTime declined_until_{};  // Until then, a parent can't ask its registry.
  std::uint64_t requests_made_ = 0;
  std::map<std::uint64_t, Unanswered*> unanswered_;  // By the number of the request.
  std::optional<policy::QuotaState> told_quota_;
  std::uint64_t pulls_under_way_ = 0;
  SteadyTime last_pull_{};
  Handle probe_timer_;
  Handle probe_;  // The probe under way.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_GUARD_H_
