// SPDX-License-Identifier: Apache-2.0
//
// The body of a refusal is read and dropped, so that the connection can serve the next request.

#include "upstream/authorized_request.h"

#include <cassert>
#include <utility>

#include "layby/http/url.h"
#include "upstream/failure.h"

namespace layby::upstream {
namespace {

// A longer refusal is not read to the end, because a new connection is cheaper.
constexpr std::uint64_t kMaxRefusalBytes = 64 << 10;

}  // namespace

AuthorizedRequest::AuthorizedRequest(Site& site, RequestSpec spec, ExchangeEvents& events)
    : site_(site),
      spec_(std::move(spec)),
      events_(events),
      deadline_(site.driver.loop().alarm([this] { on_deadline(); })),
      host_(site.host) {
  if (spec_.deadline.count() > 0) deadline_->arm(spec_.deadline);
  ask_for_token();
}

bool AuthorizedRequest::may_enter(State from, State to) {
  switch (to) {
    case State::kFirstToken:
      return false;
    case State::kFirstTry:
      return from == State::kFirstToken;
    case State::kChallenged:
      return from == State::kFirstTry;
    case State::kSecondToken:
      return from == State::kChallenged;
    case State::kSecondTry:
      return from == State::kSecondToken;
    case State::kEnded:
      return from != State::kEnded;
  }
  return false;
}

void AuthorizedRequest::enter(State next) {
  assert(may_enter(state_, next));
  state_ = next;
}

bool AuthorizedRequest::has_exchange() const {
  return state_ == State::kFirstTry || state_ == State::kChallenged || state_ == State::kSecondTry;
}

void AuthorizedRequest::ask_for_token() {
  assert(state_ == State::kFirstToken || state_ == State::kSecondToken);
  assert(!token_ && !exchange_);
  if (auto authorization = site_.tokens.known(spec_.repository)) {
    return send(*std::move(authorization));
  }
  token_ = site_.tokens.fetch(spec_.repository,
                              [this](Result<std::string> token) { on_token(std::move(token)); });
}

// In kFirstToken, the token server is one that the registry named earlier. When this token server
// fails, the registry is asked without a token, and names its token server again if it wants one.
void AuthorizedRequest::on_token(Result<std::string> authorization) {
  assert(state_ == State::kFirstToken || state_ == State::kSecondToken);
  assert(token_ && !exchange_);
  token_.reset();
  if (authorization.ok()) {
    token_is_new_ = true;
    return send(*std::move(authorization));
  }
  const bool is_throttled = authorization.error().code == ErrorCode::kThrottled;
  if (state_ == State::kSecondToken || is_throttled) return end(authorization.error());
  send("");
}

void AuthorizedRequest::send(std::string authorization) {
  assert(spec_.counter != nullptr && !exchange_);
  enter(state_ == State::kFirstToken ? State::kFirstTry : State::kSecondTry);
  authorization_ = std::move(authorization);
  number_ = site_.next_request();
  count(site_.counters.*spec_.counter);
  exchange_ = std::make_unique<Exchange>(site_.driver, site_.counters, site_.transport,
                                         exchange_spec(), *this);
  if (paused_) exchange_->pause();
}

ExchangeSpec AuthorizedRequest::exchange_spec() const {
  ExchangeSpec spec;
  spec.method = spec_.method;
  spec.url = site_.url(http::percent_encode(spec_.repository, "/") + spec_.path);
  spec.host_label = site_.host;
  spec.request_label = subject().request;
  spec.headers = spec_.headers;
  if (!authorization_.empty()) spec.headers.push_back("Authorization: " + authorization_);
  if (std::string loop = site_.loop_header(); !loop.empty())
    spec.headers.push_back(std::move(loop));
  if (!spec_.client.empty()) spec.first_headers.push_back("X-Forwarded-For: " + spec_.client);
  spec.gzip = spec_.gzip;
  spec.max_body_bytes = spec_.max_body_bytes;
  spec.stall_timeout = spec_.stall_timeout;
  spec.floor = spec_.floor;
  spec.rate_limited = spec_.rate_limited;
  spec.small_window = spec_.small_window;
  spec.fresh_connection = spec_.fresh_connection;
  return spec;
}

void AuthorizedRequest::pause() {
  paused_ = true;
  if (exchange_) exchange_->pause();
}

void AuthorizedRequest::resume() {
  paused_ = false;
  if (exchange_) exchange_->resume();
}

void AuthorizedRequest::fail(Error error) {
  assert(has_exchange() && exchange_);
  exchange_->fail(std::move(error));
}

void AuthorizedRequest::fail(ErrorCode code, std::string_view reason) {
  fail(failure(subject(), code, reason));
}

void AuthorizedRequest::on_deadline() {
  count(site_.counters.upstream_failures);
  if (!token_)
    return end(failure(subject(), ErrorCode::kTimedOut, "no answer in time", "check the link"));
  Error error = failure(subject(), ErrorCode::kTimedOut, "no answer in time",
                        "check the link to the token server");
  error.extent = Extent::kRepository;  // The registry itself wasn't asked.
  end(std::move(error));
}

void AuthorizedRequest::end(Status status) {
  enter(State::kEnded);
  deadline_->disarm();
  token_.reset();
  exchange_.reset();
  events_.on_end(std::move(status));  // May destroy this request.
}

Subject AuthorizedRequest::subject() const {
  const std::string_view method = spec_.method == Method::kHead ? "HEAD " : "GET ";
  return {host_, std::string(method) + spec_.repository + " " + spec_.content_label};
}

void AuthorizedRequest::on_head(const Head& head) {
  assert(has_exchange() && state_ != State::kChallenged && !refusal_);
  host_ = head.host;
  if (!head.from_another_origin) site_.note_boxes(head.headers);
  if (spec_.states_quota && !head.from_another_origin &&
      (head.status == 200 || head.status == 429)) {
    site_.note_quota(number_, head.headers);
  }
  const bool unsupported = head.status == 405 || head.status == 501;
  if (head.status == 200 || head.status == 206 || (unsupported && spec_.passes_unsupported)) {
    return events_.on_head(head);
  }
  if (head.status == 401 && !head.from_another_origin && state_ == State::kFirstTry) {
    challenge_ = head.headers.joined("www-authenticate");
    enter(State::kChallenged);
  }
  refusal_ = status_failure(subject(), head, site_.clock.wall_now());
  // A parent answers 429 only because of the rate of one client.
  const bool declines_client = head.status == 429 && !spec_.client.empty();
  const bool declines = site_.options.is_parent() && is_declined(head);
  if (declines || (declines_client && !head.from_another_origin)) refusal_->declined = true;
}

void AuthorizedRequest::on_body(std::string_view bytes) {
  assert(has_exchange() && !paused_);
  if (!refusal_) return events_.on_body(bytes);
  refusal_bytes_ += bytes.size();
  if (refusal_bytes_ > kMaxRefusalBytes) exchange_->fail(*refusal_);
}

// Runs inside the on_end() of the first exchange.
void AuthorizedRequest::learn_challenge() {
  assert(state_ == State::kChallenged && refusal_);
  const auto learnt =
      site_.tokens.learn(spec_.repository, challenge_, {authorization_, token_is_new_}, subject());
  if (!learnt.ok()) return end(learnt.error());
  if (!*learnt) return end(*std::exchange(refusal_, std::nullopt));
  refusal_.reset();
  refusal_bytes_ = 0;
  exchange_.reset();  // An exchange may be destroyed inside its on_end().
  enter(State::kSecondToken);
  ask_for_token();
}

void AuthorizedRequest::on_end(Status status) {
  assert(has_exchange());
  if (state_ == State::kChallenged) return learn_challenge();
  if (refusal_) return end(*std::exchange(refusal_, std::nullopt));
  end(std::move(status));
}

}  // namespace layby::upstream
