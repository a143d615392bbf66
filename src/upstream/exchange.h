// SPDX-License-Identifier: Apache-2.0
//
// One HTTP exchange: a request goes out, redirects are followed, and head, body and end
// come back as events. An answer of any status is an answer; only one that can't be had
// is an error. Nothing is retried here. Destroying it ends it, inside any of its events
// too. Loop thread only.

#ifndef LAYBY_UPSTREAM_EXCHANGE_H_
#define LAYBY_UPSTREAM_EXCHANGE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/counters.h"
#include "layby/base/result.h"
#include "layby/event/loop.h"
#include "layby/http/headers.h"
#include "upstream/driver.h"

namespace layby::upstream {

enum class Method { kGet, kHead };

// How requests to one registry travel.
struct Transport {
  std::string ca_file;
  std::string proxy;
  std::string user_agent;
  std::chrono::milliseconds connect_timeout{0};
};

struct ExchangeSpec {
  Method method = Method::kGet;
  std::string url;
  std::string host;                       // For messages.
  std::string request;                    // For messages: "GET library/debian manifest bookworm".
  std::vector<std::string> headers;       // "Name: value". Authorization stays with the url's host.
  bool gzip = false;                      // Offer gzip; the body comes decoded.
  std::uint64_t max_body_bytes = 0;       // Decoded; 0 for no limit.
  std::chrono::milliseconds deadline{0};  // For all of it; 0 for none.
  std::chrono::milliseconds stall_timeout{0};  // Without a byte, when not held; 0 for none.
  bool rate_limited = false;                   // The body waits for its share of the link.
  bool small_window = false;  // While it is paused, little of it is on its way here.
};

struct Head {
  int status = 0;
  http::Headers headers;
  std::string host;         // That answered, for messages.
  bool redirected = false;  // It isn't the one that was asked.

  // What Content-Length states for the body as it is sent.
  std::optional<std::uint64_t> content_length() const;
};

class ExchangeEvents {
 public:
  virtual ~ExchangeEvents() = default;
  // Once, of the last answer when redirected.
  virtual void on_head(const Head& head) = 0;
  virtual void on_body(std::string_view bytes) = 0;
  // Last. Ok when the body ended where the answer said it would.
  virtual void on_end(Status status) = 0;
};

class Exchange final : public WireOwner {
 public:
  // `events` outlives it, and hears nothing before the loop's next turn.
  Exchange(Driver& driver, Counters& counters, const Transport& transport, ExchangeSpec spec,
           ExchangeEvents& events);
  ~Exchange() override;

  // No on_body between them.
  void pause();
  void resume();
  // on_end(error) follows, nothing before it. For use inside on_head and on_body.
  void fail(Error error);

 private:
  // Why no byte is taken for now. It goes on when there is no reason left.
  enum Hold : unsigned {
    kPaused = 1,    // By its owner.
    kOverRate = 2,  // It waits for its turn on the limited link.
  };

  void hold(Hold reason);
  void release(Hold reason);
  bool within_rate(std::size_t bytes);
  void set_up(const Transport& transport);
  void set_up_limits(const Transport& transport);
  void set_up_tls(const Transport& transport);
  void arm_stall();
  bool had_its_turn(std::size_t bytes);
  void on_deadline();
  void on_stall();
  void end(Status status);
  Error error_of(CURLcode code);
  bool allows_redirect();
  void finish_head();
  void make_window_small();
  void count_failure();
  void read_address();

  Verdict on_header_line(std::string_view line) override;
  Verdict on_received(std::string_view bytes) override;
  void on_finished(CURLcode code) override;

  Driver& driver_;
  Counters& counters_;
  ExchangeSpec spec_;
  ExchangeEvents& events_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<event::Alarm> deadline_;
  std::unique_ptr<event::Alarm> stall_;
  std::unique_ptr<RateLimit::Share> share_;  // Null when it doesn't wait for one.
  Head head_;
  std::size_t head_bytes_ = 0;
  std::uint64_t body_bytes_ = 0;
  std::uint64_t turn_ = 0;        // Of the driver.
  std::uint64_t turn_bytes_ = 0;  // That came in it.
  bool head_done_ = false;
  bool failure_counted_ = false;
  unsigned holds_ = 0;  // Of Hold.
  bool curl_paused_ = false;
  std::optional<Error> error_;  // Why we stopped curl.
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_EXCHANGE_H_
