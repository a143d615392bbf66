// SPDX-License-Identifier: Apache-2.0
//
// Each request takes three steps. The request waits until requests_per_minute allows it, then it is
// sent, and its outcome is noted before the caller hears of the outcome. Invariants: a request is
// sent at most once and answered at most once; at most one probe is under way (a caller's ping
// isn't a probe); pulls_under_way_ is the number of manifest requests under way.

#include "layby/cache/guard.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "cache/guard_times.h"
#include "cache/turns.h"
#include "layby/base/bytes.h"

namespace layby::cache {
namespace {

using State = policy::Breaker::State;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The longest that a request waits for its turn within the limit of the minute.
constexpr seconds kLongestTurn{30};

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

// A request that was sent, but has got no byte of an answer yet.
class Guard::Unanswered {
 public:
  explicit Unanswered(Guard& guard) : guard_(guard) {}
  Unanswered(const Unanswered&) = delete;
  Unanswered& operator=(const Unanswered&) = delete;

  // Ends the request. The owner gets `error` in the next turn of the loop.
  virtual void give_up(const Error& error) = 0;

 protected:
  ~Unanswered() { leave(); }
  void join() {
    assert(number_ == 0);
    number_ = ++guard_.requests_sent_;
    guard_.unanswered_.emplace(number_, this);
  }
  void leave() {
    guard_.unanswered_.erase(number_);
    number_ = 0;
  }

  Guard& guard_;

 private:
  std::uint64_t number_ = 0;  // 0 while the request isn't in unanswered_.
};

class Guard::Passing final : public Operation, private Unanswered, private Turns::Waiter {
 public:
  Passing(Guard& guard, Question question, Done<Answer> done)
      : Unanswered(guard),
        Waiter(*guard.turns_, question.ask == Ask::kTagCheck,
               guard.clock_.steady_now() + std::min<milliseconds>(question.deadline, kLongestTurn)),
        question_(std::move(question)),
        asked_{question_.ask, question_.repository,
               question_.reference ? oci::to_string(*question_.reference) : "",
               question_.deadline < guard.rules_.request_timeout},
        asked_at_(guard.clock_.steady_now()),
        done_(std::move(done)) {}

  void start() {
    if (auto error = guard_.why_part_not(asked_)) return fail_soon(*std::move(error));
    take_turn();
  }

 private:
  std::vector<IpAddress> clients() const override {
    if (question_.client == IpAddress()) return {};
    return {question_.client};
  }
  void on_turn() override {
    assert(!request_);
    // During the wait, another request for this repository or content may have got a 429.
    if (auto error = guard_.why_part_not(asked_)) return fail_soon(*std::move(error));
    guard_.on_sent(asked_);
    join();
    if (asked_.ask == Ask::kManifest) under_way_.emplace(guard_.pulls_under_way_);
    // The wait for the turn is part of the deadline.
    const auto waited = guard_.clock_.steady_now() - asked_at_;
    request_ =
        question_.put(*guard_.inner_, question_.deadline - std::chrono::ceil<milliseconds>(waited),
                      [this](Result<Answer> answer) { on_answer(std::move(answer)); });
  }
  void on_no_turn(milliseconds wait) override {
    assert(done_);
    const auto done = std::move(done_);
    done(guard_.no_turn(wait));  // May destroy this object.
  }
  void fail_soon(Error error) {
    failing_ = guard_.timers_.after(milliseconds(0), [this, error = std::move(error)] {
      assert(done_);
      const auto done = std::move(done_);
      done(error);
    });
  }
  void give_up(const Error& error) override {
    assert(request_ && done_);
    leave();
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
  const Asked asked_;
  const SteadyTime asked_at_;
  Done<Answer> done_;
  std::optional<UnderWay> under_way_;
  Handle failing_;
  Handle request_;
};

// A blob request that may have to wait for its turn. A failure before the blob's first byte says
// more about the link than a later failure.
class Guard::Transfer final : public BlobTransfer,
                              private BlobSink,
                              private Unanswered,
                              private Turns::Waiter {
 public:
  using Start = std::function<std::unique_ptr<BlobTransfer>(BlobSink&)>;
  // `resumes`: an earlier transfer brought the blob's first bytes.
  Transfer(Guard& guard, Asked asked, bool resumes, Start start, BlobSink& sink)
      : Unanswered(guard),
        Waiter(*guard.turns_, false, guard.clock_.steady_now() + kLongestTurn),
        resumes_(resumes),
        start_(std::move(start)),
        sink_(sink),
        asked_(std::move(asked)) {
    if (auto error = guard_.why_part_not(asked_)) {
      fail_soon(*std::move(error));
    } else {
      take_turn();
    }
  }

  void pause() override {
    paused_ = true;
    if (inner_) inner_->pause();
  }
  void resume() override {
    paused_ = false;
    if (inner_) inner_->resume();
  }
  // A hedge counts in the minute, and doesn't wait for a turn.
  bool hedge() override {
    if (!inner_ || asked_.started || guard_.why_part_not(asked_)) return false;
    return take_free_turn() && inner_->hedge();
  }

 private:
  std::vector<IpAddress> clients() const override { return sink_.clients(); }
  void on_turn() override {
    assert(!inner_);
    // During the wait, another request for this repository or content may have got a 429.
    if (auto error = guard_.why_part_not(asked_)) return fail_soon(*std::move(error));
    guard_.on_sent(asked_);
    join();
    inner_ = start_(*this);
    assert(inner_);
    if (paused_) inner_->pause();
  }
  void on_no_turn(milliseconds wait) override {
    sink_.on_blob_end(guard_.no_turn(wait));  // May destroy this object.
  }
  void fail_soon(Error error) {
    failing_ = guard_.timers_.after(milliseconds(0), [this, error = std::move(error)] {
      sink_.on_blob_end(error);  // May destroy this object.
    });
  }
  // If an earlier transfer brought the blob's first bytes, `declined` is false, and the fill asks
  // for the rest, as after any other cut.
  void give_up(const Error& error) override {
    assert(inner_ && !asked_.started);
    leave();
    inner_.reset();
    Error again = error;
    again.declined = !resumes_;
    fail_soon(std::move(again));
  }
  void on_blob_asked() override { sink_.on_blob_asked(); }
  void on_blob_start(const BlobStart& start) override {
    assert(!asked_.started);
    leave();
    asked_.started = true;
    guard_.on_ended(asked_, nullptr);
    sink_.on_blob_start(start);
  }
  void on_blob_bytes(std::string_view bytes) override {
    assert(asked_.started);
    sink_.on_blob_bytes(bytes);
  }
  bool in_background() const override { return sink_.in_background(); }
  bool lends_slot() const override { return sink_.lends_slot(); }
  void on_blob_end(Status status) override {
    leave();
    if (!status.ok()) guard_.on_ended(asked_, &status.error());
    sink_.on_blob_end(std::move(status));  // May destroy this.
  }

  const bool resumes_;
  const Start start_;
  BlobSink& sink_;
  Asked asked_;
  bool paused_ = false;
  Handle failing_;
  std::unique_ptr<BlobTransfer> inner_;
};

Guard::Guard(std::string name, GuardRules rules, std::unique_ptr<Upstream> inner, Timers& timers,
             const Clock& clock, events::Events& events)
    : name_(std::move(name)),
      rules_(rules),
      inner_(std::move(inner)),
      timers_(timers),
      clock_(clock),
      events_(events),
      turns_(std::make_unique<Turns>(rules.requests_per_minute, timers, clock)) {
  if (!rules_.probe_first) return;
  breaker_.on_doubt(clock_.steady_now());
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

std::unique_ptr<BlobTransfer> Guard::get_blob(const std::string& repository,
                                              const oci::Digest& digest, std::uint64_t offset,
                                              BlobSink& sink) {
  return std::make_unique<Transfer>(
      *this, Asked{Ask::kBlob, repository, digest.str()}, offset > 0,
      [this, repository, digest, offset](BlobSink& into) {
        return inner_->get_blob(repository, digest, offset, into);
      },
      sink);
}

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

void Guard::end_unanswered() {
  const Error error = why_open();
  while (!unanswered_.empty()) {
    [[maybe_unused]] const std::size_t before = unanswered_.size();
    unanswered_.begin()->second->give_up(error);
    assert(unanswered_.size() < before);
  }
}

}  // namespace layby::cache
