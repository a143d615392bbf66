// SPDX-License-Identifier: Apache-2.0
//
// One authorized request to a registry: a token, an exchange, and one repetition with a new token
// when the first token is refused, or when the first try had no token. Any status but 200 and 206
// is an error, so the owner sees only the head and body of a success (but see passes_unsupported).
// The destructor cancels the request, and may run inside each event. Loop thread only.
//
//   kFirstToken ──► kFirstTry ──► kChallenged ──► kSecondToken ──► kSecondTry
//        │              │              │               │               │
//        └──────────────┴──────────────┴───────────────┴───────────────┴──► kEnded
//
// Invariants: exchange_ is set exactly in kFirstTry, kChallenged and kSecondTry; token_ is set
// only in kFirstToken and kSecondToken; on_end comes once and last; no on_body comes between
// pause() and resume().

#ifndef LAYBY_UPSTREAM_AUTHORIZED_REQUEST_H_
#define LAYBY_UPSTREAM_AUTHORIZED_REQUEST_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/async.h"
#include "upstream/exchange.h"
#include "upstream/site.h"

namespace layby::upstream {

struct RequestSpec {
  Method method = Method::kGet;
  std::string repository;
  // The path after the repository, and the query, if any: "/manifests/bookworm".
  std::string path;
  std::string content_label;         // For messages only: "manifest bookworm".
  std::vector<std::string> headers;  // "Name: value"
  std::string client;                // The client that a parent is told; "" for none.
  std::atomic<std::uint64_t> Counters::*counter = nullptr;  // Counts sent requests.
  bool states_quota = false;                                // The answer states the pull limit.
  // Whether the statuses 405 and 501, which say that the method isn't supported, count as a
  // success.
  bool passes_unsupported = false;
  bool gzip = false;
  std::uint64_t max_body_bytes = 0;            // 0 for no limit.
  std::chrono::milliseconds deadline{0};       // For the whole request; 0 for none.
  std::chrono::milliseconds stall_timeout{0};  // As in ExchangeSpec; 0 for none.
  policy::RateFloorRules floor{0};             // As in ExchangeSpec.
  bool rate_limited = false;
  bool small_window = false;
  bool fresh_connection = false;  // As in ExchangeSpec.
};

class AuthorizedRequest final : public ExchangeEvents {
 public:
  // Passes the head and body of a successful answer on to `events`, and calls on_end once. `events`
  // outlives the request, and is called at the loop's next turn or later.
  AuthorizedRequest(Site& site, RequestSpec spec, ExchangeEvents& events);

  // No on_body comes between pause() and resume().
  void pause();
  void resume();
  // Makes on_end(error) the next event. May be called only inside on_head and on_body.
  void fail(Error error);
  // Calls fail() with a message that names this request.
  void fail(ErrorCode code, std::string_view reason);

 private:
  enum class State {
    kFirstToken,   // Waits for a token, unless a token is known or not needed.
    kFirstTry,     // The exchange is on the wire. A 401 by the registry leads to another try.
    kChallenged,   // A 401 came. The body of the 401 is read and dropped.
    kSecondToken,  // Waits for another token, unless another token is known.
    kSecondTry,    // The second exchange is on the wire. A 401 is final.
    kEnded,        // on_end was called, or is being called.
  };

  static bool may_enter(State from, State to);
  void enter(State next);
  bool has_exchange() const;
  void ask_for_token();
  void learn_challenge();
  void on_token(Result<std::string> authorization);
  void send(std::string authorization);
  ExchangeSpec exchange_spec() const;
  void on_deadline();
  void end(Status status);
  Subject subject() const;

  void on_head(const Head& head) override;
  void on_body(std::string_view bytes) override;
  void on_end(Status status) override;

  Site& site_;
  const RequestSpec spec_;
  ExchangeEvents& events_;
  State state_ = State::kFirstToken;
  std::unique_ptr<event::Alarm> deadline_;
  Handle token_;
  std::string authorization_;
  bool token_is_new_ = false;  // This request waited for the token in authorization_.
  std::uint64_t number_ = 0;   // The Site's number of the latest exchange.
  std::unique_ptr<Exchange> exchange_;
  std::string challenge_;         // WWW-Authenticate of the first 401; "" before a 401.
  std::optional<Error> refusal_;  // Set when the answer's status isn't a success.
  std::string host_;              // The host that answered last.
  std::uint64_t refusal_bytes_ = 0;
  bool paused_ = false;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_AUTHORIZED_REQUEST_H_
