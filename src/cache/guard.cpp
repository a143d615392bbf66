// SPDX-License-Identifier: Apache-2.0
//
// Each request takes three steps. The request waits until requests_per_minute allows it, then it is
// sent, and its outcome is noted before the caller hears of the outcome. A request doesn't wait
// while the breaker is open. Invariants: a request is sent at most once and answered at most once;
// at most one probe is under way (a caller's ping isn't a probe); pulls_under_way_ is the number of
// manifest requests under way.

#include "layby/cache/guard.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "cache/blob_slots.h"
#include "cache/guard_request.h"
#include "cache/guard_times.h"
#include "cache/turns.h"
#include "layby/base/bytes.h"

namespace layby::cache {
namespace {

using State = policy::Breaker::State;
using std::chrono::milliseconds;
using std::chrono::seconds;

seconds until(SteadyTime then, SteadyTime now) {
  return std::max(std::chrono::ceil<seconds>(then - now), seconds(0));
}

class UnderWay {
 public:
  explicit UnderWay(std::uint64_t& count) : count_(count) { ++count_; }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;
  ~UnderWay() {
    assert(count_ > 0);
    --count_;
  }

 private:
  std::uint64_t& count_;
};

}  // namespace

class Guard::Passing final : public Operation, private Unanswered, private Turns::Waiter {
 public:
  Passing(Guard& guard, Question question, Done<Answer> done)
      : Unanswered(guard),
        Waiter(*guard.turns_, question.ask == Ask::kTagCheck),
        question_(std::move(question)),
        asked_{question_.ask, question_.repository,
               question_.reference ? oci::to_string(*question_.reference) : "",
               question_.deadline < guard.rules_.request_timeout},
        asked_at_(guard.clock_.steady_now()),
        done_(std::move(done)) {}

  void start() {
    if (auto error = guard_.why_part_not(asked_)) return fail_soon(*std::move(error));
    take_turn(asked_at_ + std::min<milliseconds>(question_.deadline, kLongestTurn));
    if (is_in_line() && guard_.is_open()) give_up(guard_.no_wait());
  }

 private:
  std::vector<IpAddress> turn_clients() const override {
    return question_.askers ? *question_.askers : std::vector<IpAddress>();
  }
  bool on_turn(const IpAddress& client) override {
    assert(!request_);
    // During the wait, another request may have got a 429 for this content or its token.
    if (auto error = guard_.why_part_not(asked_)) {
      fail_soon(*std::move(error));
      return false;
    }
    guard_.on_sent(asked_);
    if (asked_.ask == Ask::kManifest) under_way_.emplace(guard_.pulls_under_way_);
    // The deadline includes the wait for the turn.
    const auto waited = guard_.clock_.steady_now() - asked_at_;
    const auto left = question_.deadline - std::chrono::ceil<milliseconds>(waited);
    // A deadline of 0 would mean no deadline.
    request_ = question_.put(guard_.inner_->on_behalf_of(client), std::max(left, milliseconds(1)),
                             [this](Result<Answer> answer) { on_answer(std::move(answer)); });
    return true;
  }
  void on_no_turn(milliseconds wait) override {
    leave();
    assert(done_);
    const auto done = std::move(done_);
    done(guard_.no_turn(wait));  // May destroy this object.
  }
  void fail_soon(Error error) {
    leave();
    failing_ = guard_.timers_.after(milliseconds(0), [this, error = std::move(error)] {
      assert(done_);
      const auto done = std::move(done_);
      done(error);
    });
  }
  bool was_sent() const override { return request_ != nullptr; }
  void give_up(const Error& error) override {
    assert(done_);
    leave_line();
    request_.reset();
    under_way_.reset();
    fail_soon(error);
  }
  void on_answer(Result<Answer> answer) {
    assert(done_);
    leave();
    under_way_.reset();
    guard_.on_ended(asked_, answer.ok() ? nullptr : &answer.error());
    const auto done = std::move(done_);  // `done` may destroy this.
    done(std::move(answer));
  }

  const Question question_;
  Asked asked_;
  const SteadyTime asked_at_;
  Done<Answer> done_;
  std::optional<UnderWay> under_way_;
  Handle failing_;
  Handle request_;
};

Guard::Guard(std::string name, GuardRules rules, std::unique_ptr<Upstream> inner, Timers& timers,
             const Clock& clock, events::Events& events)
    : name_(std::move(name)),
      rules_(rules),
      inner_(std::move(inner)),
      timers_(timers),
      clock_(clock),
      events_(events),
      turns_(std::make_unique<Turns>(rules.requests_per_minute, timers, clock)),
      slots_(std::make_unique<BlobSlots>(timers, rules.max_blob_transfers)) {
  if (!rules_.probe_first) return;
  breaker_.on_doubt(clock_.steady_now(), clock_.steady_now());
  last_error_ = "it was not asked yet";
  probe_when_due();
}

Guard::~Guard() { assert(unanswered_.empty()); }

GuardStatus Guard::status() const {
  const SteadyTime now = clock_.steady_now();
  GuardStatus status;
  status.link = breaker_.state();
  if (status.link != State::kClosed) {
    status.link_since = std::chrono::floor<seconds>(now - breaker_.since());
  }
  status.throttled_for = until(quiet_.until(), now);
  status.pulls_throttled_for = until(quiet_.pulls_until(), now);
  status.error = last_error_;
  return status;
}

Error Guard::no_turn(milliseconds wait) const {
  return {ErrorCode::kThrottled,
          name_ + ": too many requests in this minute; see upstreams[].requests_per_minute",
          std::chrono::ceil<seconds>(wait)};
}

std::optional<Error> Guard::why_part_not(const Asked& asked) const {
  const SteadyTime now = clock_.steady_now();
  const SteadyTime quiet = quiet_.part_until(asked.repository, asked.content);
  if (quiet <= now) return std::nullopt;
  return Error{ErrorCode::kThrottled,
               name_ + ": " + asked.repository + " " + asked.content +
                   ": the server that has this content or its token answered 429",
               until(quiet, now)};
}

Handle Guard::relay(Question question, Done<Answer> done) {
  auto passing = std::make_unique<Passing>(*this, std::move(question), std::move(done));
  passing->start();
  return passing;
}

void Guard::on_more_askers() { turns_->look_again(); }

Handle Guard::ping(milliseconds deadline, std::function<void(Status)> done) {
  return inner_->ping(deadline, std::move(done));
}

std::optional<policy::QuotaState> Guard::quota() const { return inner_->quota(); }

std::optional<Error> Guard::why_not(Ask ask) {
  const SteadyTime now = clock_.steady_now();
  const State state = breaker_.state();
  if (state == State::kOpen) {
    breaker_.on_turned_away(now);
    probe_when_due();
    return why_open();
  }
  if (state == State::kDoubtful && ask == Ask::kTagCheck) {
    return Error{ErrorCode::kUnavailable,
                 name_ + ": it did not answer a moment ago: " + last_error_, kAskAgain};
  }
  const SteadyTime quiet = ask == Ask::kManifest ? quiet_.pulls_until() : quiet_.until();
  if (quiet <= now) return std::nullopt;
  return Error{
      ErrorCode::kThrottled,
      name_ + ": asked to wait (429); use an account with a higher limit, or prefetch less",
      until(quiet, now)};
}

Error Guard::why_open() const {
  assert(breaker_.state() == State::kOpen);
  const auto silent = std::chrono::floor<seconds>(clock_.steady_now() - breaker_.since());
  Error error{ErrorCode::kUnavailable,
              name_ +
                  (silent.count() > 0 ? ": it has not answered for " + format_duration(silent)
                                      : ": it did not answer a moment ago") +
                  ": " + last_error_,
              kAskAgain};
  error.declined = true;
  return error;
}

Patience Guard::patience(Ask ask) const {
  const SteadyTime now = clock_.steady_now();
  if (breaker_.state() != State::kClosed) return {kAskAgain, name_ + " is down", true};
  if (declined_until_ > now)
    return {until(declined_until_, now), name_ + " can't ask its registry", true};
  const SteadyTime quiet = ask == Ask::kManifest ? quiet_.pulls_until() : quiet_.until();
  if (quiet > now) return {until(quiet, now), name_ + " asked to wait (429)"};
  if (const milliseconds wait = turns_->background_wait(); wait.count() > 0) {
    return {wait, "requests_per_minute of " + name_};
  }
  if (ask != Ask::kManifest) return {};
  const auto turn = policy::background_pull(rules_.reserve, inner_->quota(), pulls_under_way_,
                                            std::chrono::floor<milliseconds>(now - last_pull_));
  if (turn.why == policy::PullTurn::Why::kFree) return {};
  const bool reserved = turn.why == policy::PullTurn::Why::kReserved;
  return {turn.wait, reserved ? "the rest of the pull limit of " + name_ + " is reserved for people"
                              : "the pull limit of " + name_ + " is near"};
}

// The requests are collected first, because give_up() takes a request out of unanswered_.
void Guard::end_unanswered(bool is_silent) {
  std::vector<Unanswered*> ending;
  for (const auto& [number, request] : unanswered_) {
    if (is_silent || !request->was_sent()) ending.push_back(request);
  }
  const Error error = is_silent ? why_open() : no_wait();
  for (Unanswered* request : ending) request->give_up(error);
}

Error Guard::no_wait() const {
  Error error = why_open();
  error.declined = false;
  error.retry_after.reset();
  return error;
}

}  // namespace layby::cache
