// SPDX-License-Identifier: Apache-2.0
//
// Each request takes three steps. The request waits for its turn within the limit of the
// minute, then it is sent, and its outcome is noted before the caller hears of it. Invariants:
// a request is sent at most once and answered at most once; at most one probe is under way (a
// caller's ping isn't a probe); pulls_under_way_ is the number of manifest requests under way.

#include "layby/cache/guard.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/base/bytes.h"

namespace layby::cache {
namespace {

using State = policy::Breaker::State;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The wait after a 429 without a Retry-After. The wait doubles with each further 429.
constexpr seconds kFirstQuiet{60};
constexpr int kMaxDoublings = 4;
// The longest Retry-After that is honoured.
constexpr std::chrono::hours kLongestQuiet{24};

// The longest that a request waits for its turn within the limit of the minute.
constexpr seconds kLongestTurn{30};

// The Retry-After of an error while the link is down or doubtful.
constexpr seconds kAskAgain{5};

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

class Guard::Passing final : public Operation {
 public:
  Passing(Guard& guard, Question question, Done<Answer> done)
      : guard_(guard),
        question_(std::move(question)),
        asked_{question_.ask, question_.deadline < guard.rules_.request_timeout},
        asked_at_(guard.clock_.steady_now()),
        latest_(asked_at_ + std::min<milliseconds>(question_.deadline, kLongestTurn)),
        done_(std::move(done)) {}

  void take_turn() {
    assert(!request_);
    const SteadyTime now = guard_.clock_.steady_now();
    const bool is_check = asked_.ask == Ask::kTagCheck;
    const milliseconds wait = is_check ? guard_.log_.first_step_wait(now) : guard_.log_.wait(now);
    if (wait.count() == 0) return send();
    if (now + wait >= latest_) return fail_soon(guard_.no_turn(wait));
    // take_turn() looks again after the wait, because requests that wait for the same moment may
    // be too many for that moment.
    waiting_ = guard_.timers_.after(wait, [this] { take_turn(); });
  }

 private:
  void send() {
    waiting_.reset();
    guard_.on_sent(asked_);
    if (asked_.ask == Ask::kManifest) under_way_.emplace(guard_.pulls_under_way_);
    // The wait for the turn is part of the deadline.
    const auto waited = guard_.clock_.steady_now() - asked_at_;
    request_ =
        question_.put(*guard_.inner_, question_.deadline - std::chrono::ceil<milliseconds>(waited),
                      [this](Result<Answer> answer) { on_answer(std::move(answer)); });
  }
  void fail_soon(Error error) {
    waiting_ = guard_.timers_.after(milliseconds(0), [this, error = std::move(error)] {
      assert(done_);
      const auto done = std::move(done_);
      done(error);
    });
  }
  void on_answer(Result<Answer> answer) {
    assert(done_);
    under_way_.reset();
    guard_.on_ended(asked_, answer.ok() ? nullptr : &answer.error());
    const auto done = std::move(done_);  // `done` may destroy this.
    done(std::move(answer));
  }

  Guard& guard_;
  const Question question_;
  const Asked asked_;
  const SteadyTime asked_at_;
  const SteadyTime latest_;  // The request isn't sent after this time.
  Done<Answer> done_;
  std::optional<UnderWay> under_way_;
  Handle waiting_;
  Handle request_;
};

// A blob request that may have to wait for its turn. A failure before the blob's first byte says
// more about the link than a later failure.
class Guard::Transfer final : public BlobTransfer, private BlobSink {
 public:
  using Start = std::function<std::unique_ptr<BlobTransfer>(BlobSink&)>;
  Transfer(Guard& guard, Start start, BlobSink& sink)
      : guard_(guard),
        latest_(guard.clock_.steady_now() + kLongestTurn),
        start_(std::move(start)),
        sink_(sink) {
    take_turn();
  }

  void pause() override {
    paused_ = true;
    if (inner_) inner_->pause();
  }
  void resume() override {
    paused_ = false;
    if (inner_) inner_->resume();
  }

 private:
  void take_turn() {
    assert(!inner_);
    const milliseconds wait = guard_.log_.wait(guard_.clock_.steady_now());
    if (wait.count() == 0) return send();
    if (guard_.clock_.steady_now() + wait >= latest_) return fail_soon(guard_.no_turn(wait));
    waiting_ = guard_.timers_.after(wait, [this] { take_turn(); });
  }
  void fail_soon(Error error) {
    waiting_ = guard_.timers_.after(milliseconds(0), [this, error = std::move(error)] {
      sink_.on_blob_end(error);  // May destroy this.
    });
  }
  void send() {
    waiting_.reset();
    guard_.on_sent(asked_);
    inner_ = start_(*this);
    assert(inner_);
    if (paused_) inner_->pause();
  }
  void on_blob_start(const BlobStart& start) override {
    assert(!asked_.started);
    asked_.started = true;
    guard_.on_ended(asked_, nullptr);
    sink_.on_blob_start(start);
  }
  void on_blob_bytes(std::string_view bytes) override {
    assert(asked_.started);
    sink_.on_blob_bytes(bytes);
  }
  bool in_background() const override { return sink_.in_background(); }
  void on_blob_end(Status status) override {
    if (!status.ok()) guard_.on_ended(asked_, &status.error());
    sink_.on_blob_end(std::move(status));  // May destroy this.
  }

  Guard& guard_;
  const SteadyTime latest_;
  const Start start_;
  BlobSink& sink_;
  Asked asked_{Ask::kBlob};
  bool paused_ = false;
  Handle waiting_;
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
      log_(rules.requests_per_minute) {}

Guard::~Guard() = default;

GuardStatus Guard::status() const {
  const SteadyTime now = clock_.steady_now();
  GuardStatus status;
  status.link = breaker_.state();
  if (status.link != State::kClosed) {
    status.link_since = std::chrono::floor<seconds>(now - breaker_.since());
  }
  status.throttled_for = until(quiet_until_, now);
  status.pulls_throttled_for = std::max(until(pulls_quiet_until_, now), status.throttled_for);
  return status;
}

Error Guard::no_turn(milliseconds wait) const {
  return {ErrorCode::kThrottled,
          name_ + ": too many requests in this minute; see upstreams[].requests_per_minute",
          std::chrono::ceil<seconds>(wait)};
}

Handle Guard::relay(Question question, Done<Answer> done) {
  auto passing = std::make_unique<Passing>(*this, std::move(question), std::move(done));
  passing->take_turn();
  return passing;
}

std::unique_ptr<BlobTransfer> Guard::get_blob(const std::string& repository,
                                              const oci::Digest& digest, std::uint64_t offset,
                                              BlobSink& sink) {
  return std::make_unique<Transfer>(
      *this,
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
    const auto silent = std::chrono::floor<seconds>(now - breaker_.since());
    return Error{ErrorCode::kUnavailable,
                 name_ +
                     (silent.count() > 0 ? ": it has not answered for " + format_duration(silent)
                                         : ": it did not answer a moment ago") +
                     "; check the link",
                 kAskAgain};
  }
  if (state == State::kDoubtful && ask == Ask::kTagCheck) {
    return Error{ErrorCode::kUnavailable, name_ + ": it did not answer a moment ago", kAskAgain};
  }
  const SteadyTime quiet =
      ask == Ask::kManifest ? std::max(quiet_until_, pulls_quiet_until_) : quiet_until_;
  if (quiet <= now) return std::nullopt;
  return Error{
      ErrorCode::kThrottled,
      name_ + ": asked to wait (429); use an account with a higher limit, or prefetch less",
      until(quiet, now)};
}

Patience Guard::patience(Ask ask) const {
  const SteadyTime now = clock_.steady_now();
  if (breaker_.state() != State::kClosed) return {kAskAgain, name_ + " is down"};
  const SteadyTime quiet =
      ask == Ask::kManifest ? std::max(quiet_until_, pulls_quiet_until_) : quiet_until_;
  if (quiet > now) return {until(quiet, now), name_ + " asked to wait (429)"};
  if (const milliseconds wait = log_.background_wait(now); wait.count() > 0) {
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

void Guard::on_sent(const Asked& asked) {
  const SteadyTime now = clock_.steady_now();
  log_.note(now);
  if (asked.ask == Ask::kManifest) last_pull_ = now;
}

void Guard::on_ended(const Asked& asked, const Error* error) {
  const State before = breaker_.state();
  const SteadyTime now = clock_.steady_now();
  const ErrorCode code = error != nullptr ? error->code : ErrorCode::kNotFound;
  switch (code) {
    case ErrorCode::kUnavailable:
      asked.started ? breaker_.on_doubt(now) : breaker_.on_failure(now);
      break;
    case ErrorCode::kTimedOut:
      asked.started || asked.quick ? breaker_.on_doubt(now) : breaker_.on_time_out(now);
      break;
    case ErrorCode::kThrottled:
      on_throttled(asked, *error);
      breaker_.on_answer();
      break;
    case ErrorCode::kNotFound:
    case ErrorCode::kDenied:
    case ErrorCode::kInvalid:
      breaker_.on_answer();
      if (error == nullptr) throttled_in_row_ = 0;
      break;
    default:  // A corrupt answer may come from a proxy; our own errors aren't about the link.
      break;
  }
  after_change(before);
  tell_quota();
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
  const auto quota = inner_->quota();
  const bool is_pull_limit =
      asked.ask == Ask::kManifest && quota.has_value() && quota->remaining.count == 0;
  SteadyTime& quiet_until = is_pull_limit ? pulls_quiet_until_ : quiet_until_;
  // Requests that were under way at a 429 may each get a 429 too; all these 429s count as one.
  if (quiet_until <= now || throttled_in_row_ == 0) ++throttled_in_row_;
  assert(throttled_in_row_ > 0);
  const seconds usual = kFirstQuiet * (1 << std::min(throttled_in_row_ - 1, kMaxDoublings));
  const seconds wait = std::min<seconds>(error.retry_after.value_or(usual), kLongestQuiet);
  quiet_until = std::max(quiet_until, now + wait);
  if (!is_pull_limit) log_.drain(now);
  events_.tell(events::Throttled{name_, is_pull_limit, wait});
}

void Guard::after_change(State before) {
  const State now = breaker_.state();
  if (now == State::kOpen && before != State::kOpen) {
    events_.tell(events::LinkChanged{name_, events::Link::kDown});
  }
  if (now == State::kClosed && before == State::kOpen) {
    events_.tell(events::LinkChanged{name_, events::Link::kUp});
  }
  if (now == State::kClosed) {
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
      breaker_.on_answer();
    } else {
      breaker_.on_probe_failed(clock_.steady_now());
    }
    after_change(before);
  });
}

}  // namespace layby::cache
