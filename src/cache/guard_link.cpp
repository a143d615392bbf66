// SPDX-License-Identifier: Apache-2.0
//
// Learns from the outcomes of requests and pings: the state of the link, the quiet times after a
// 429, and the pull limit. Invariant: at most one ping is under way.

#include <algorithm>
#include <cassert>
#include <utility>

#include "cache/guard_times.h"
#include "cache/turns.h"
#include "layby/cache/guard.h"

namespace layby::cache {

using State = policy::Breaker::State;
using std::chrono::milliseconds;
using std::chrono::seconds;

void Guard::on_sent(Asked& asked) {
  asked.sent_at = clock_.steady_now();
  if (asked.ask == Ask::kManifest) last_pull_ = asked.sent_at;
}

void Guard::on_ended(const Asked& asked, const Error* error) {
  if (error != nullptr && error->declined) return on_declined(*error);
  const State before = breaker_.state();
  const SteadyTime now = clock_.steady_now();
  const ErrorCode code = error != nullptr ? error->code : ErrorCode::kNotFound;
  // A token server or a CDN may have failed, or only this blob may have. Both say little about
  // upstream itself.
  const bool elsewhere = error != nullptr && error->extent != Extent::kUpstream;
  const bool is_hint = asked.started || elsewhere;
  switch (code) {
    case ErrorCode::kUnavailable:
      is_hint ? breaker_.on_hint(now) : breaker_.on_failure(now);
      break;
    case ErrorCode::kTimedOut:
      if (is_hint) {
        breaker_.on_hint(now);
      } else {
        asked.quick ? breaker_.on_doubt(now, asked.sent_at)
                    : breaker_.on_time_out(now, asked.sent_at);
      }
      break;
    case ErrorCode::kThrottled:
      on_throttled(asked, *error);
      if (!elsewhere) breaker_.on_answer(now);
      break;
    case ErrorCode::kNotFound:
    case ErrorCode::kDenied:
    case ErrorCode::kInvalid:
      breaker_.on_answer(now);
      if (error == nullptr) quiet_.on_answer();
      break;
    default:  // A corrupt answer may come from a proxy; our own errors aren't about the link.
      break;
  }
  after_change(before, error);
  tell_quota();
}

// A parent that declines has answered, so the link to the parent is up.
void Guard::on_declined(const Error& error) {
  const State before = breaker_.state();
  breaker_.on_answer(clock_.steady_now());
  after_change(before, nullptr);
  // A parent that says 429 declines one client, and answers the others.
  if (error.code == ErrorCode::kThrottled) return;
  declined_until_ = clock_.steady_now() + kAskAgain;
  last_error_ = error.message;
}

void Guard::tell_quota() {
  const auto now = inner_->quota();
  if (!now) return;
  const bool same = told_quota_ && told_quota_->limit.count == now->limit.count &&
                    told_quota_->remaining.count == now->remaining.count;
  if (same) return;
  told_quota_ = now;
  events_.tell(events::QuotaChanged{name_, now->limit.count, now->remaining.count});
}

// Docker Hub sends two kinds of 429. A 429 of the pull limit concerns manifests alone, and states
// that no pulls remain. Any other 429 concerns all requests.
void Guard::on_throttled(const Asked& asked, const Error& error) {
  const SteadyTime now = clock_.steady_now();
  if (error.extent != Extent::kUpstream) {
    const bool is_content = error.extent == Extent::kContent;
    quiet_.on_part_throttled(now, asked.repository, is_content ? asked.content : "",
                             error.retry_after);
    return;
  }
  const auto quota = inner_->quota();
  const bool is_pull_limit =
      asked.ask == Ask::kManifest && quota.has_value() && quota->remaining.count == 0;
  const seconds wait = quiet_.on_throttled(now, is_pull_limit, error.retry_after);
  if (!is_pull_limit) turns_->drain();
  events_.tell(events::Throttled{name_, is_pull_limit, wait});
}

void Guard::after_change(State before, const Error* error) {
  const State now = breaker_.state();
  const bool opens = now == State::kOpen && before != State::kOpen;
  const bool is_well = !breaker_.probe_at();
  if (is_well) {
    last_error_.clear();
  } else if (error != nullptr) {
    last_error_ = error->message;
  }
  if (opens) events_.tell(events::LinkChanged{name_, events::Link::kDown, last_error_});
  if (now == State::kClosed && before == State::kOpen) {
    events_.tell(events::LinkChanged{name_, events::Link::kUp});
  }
  if (opens) end_unanswered(error != nullptr && error->code == ErrorCode::kTimedOut);
  if (is_well) {
    probe_timer_.reset();
    return;
  }
  probe_when_due();
}

void Guard::probe_when_due() {
  const auto due = breaker_.probe_at();
  if (!due || probe_) return;
  const auto wait = std::chrono::ceil<milliseconds>(*due - clock_.steady_now());
  probe_timer_ = timers_.after(std::max(wait, milliseconds(0)), [this] { probe(); });
}

void Guard::probe() {
  assert(!probe_);
  probe_ = inner_->ping(rules_.probe_timeout, [this](const Status& status) {
    const Handle over = std::move(probe_);
    const State before = breaker_.state();
    if (status.ok()) {
      breaker_.on_answer(clock_.steady_now());
    } else {
      breaker_.on_probe_failed(clock_.steady_now());
    }
    after_change(before, status.ok() ? nullptr : &status.error());
  });
}

}  // namespace layby::cache
