// SPDX-License-Identifier: Apache-2.0
//
// One HTTP exchange: a request goes out, redirects are followed, and head, body and end come back
// as events. An answer of any status is a success of the exchange; only a missing or unreadable
// answer is an error. An exchange retries nothing. The destructor cancels the exchange, and may run
// inside each event. Loop thread only.
//
// Invariants: wire_ is set until the end; on_end comes once and last; on_body comes only after
// on_head, and only while blocks_ is 0; the stall alarm and the floor's alarm run only while
// blocks_ is 0.

#ifndef LAYBY_UPSTREAM_EXCHANGE_H_
#define LAYBY_UPSTREAM_EXCHANGE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/base/result.h"
#include "layby/event/loop.h"
#include "layby/http/url.h"
#include "layby/policy/rate_floor.h"
#include "upstream/driver.h"
#include "upstream/head.h"
#include "upstream/reach.h"

namespace layby::upstream {

enum class Method { kGet, kHead };

// The network settings of all requests to one registry.
struct Transport {
  Reach& reach;
  std::string ca_file;
  std::string proxy;
  std::string user_agent;
  std::chrono::milliseconds connect_timeout{0};
};

struct ExchangeSpec {
  Method method = Method::kGet;
  std::string url;
  std::string host_label;                  // For messages only: "registry-1.docker.io".
  std::string request_label;               // For messages only: "GET library/debian tag list".
  std::vector<std::string> headers;        // "Name: value". curl drops Authorization on redirects
                                           // to another host, port or scheme.
  std::vector<std::string> first_headers;  // Like `headers`, but not sent after a redirect.
  bool gzip = false;                       // Offer gzip to the server; on_body gets decoded bytes.
                                           // Requires max_body_bytes, and forbids pause().
  std::uint64_t max_body_bytes = 0;        // The limit after decoding; 0 for no limit.
  std::chrono::milliseconds deadline{0};   // For the whole exchange; 0 for none.
  std::chrono::milliseconds stall_timeout{0};  // The longest wait for a byte; 0 for no limit.
  policy::RateFloorRules floor{0};             // The least rate of the body; none by default.
  bool rate_limited = false;                   // The body waits for turns under the rate limit.
  bool small_window = false;      // A small receive buffer, so a pause soon stops the sender.
  bool fresh_connection = false;  // Use no connection of an earlier request.
};

struct Subject;

class ExchangeEvents {
 public:
  virtual ~ExchangeEvents() = default;
  // Called at most once, with the head of the answer after all redirects.
  virtual void on_head(const Head& head) = 0;
  virtual void on_body(std::string_view bytes) = 0;
  // Called once, as the last call. `status` is ok when the body came whole.
  virtual void on_end(Status status) = 0;
};

class Exchange final : public WireOwner {
 public:
  // `events` outlives the exchange, and is called at the loop's next turn or later.
  Exchange(Driver& driver, Counters& counters, const Transport& transport, ExchangeSpec spec,
           ExchangeEvents& events);
  ~Exchange() override;

  // No on_body comes between pause() and resume().
  void pause();
  void resume();
  // Makes on_end(error) the next event. May be called only inside on_head and on_body.
  void fail(Error error);

 private:
  // A Block is a reason to take no byte for now. The body goes on when blocks_ is 0.
  enum Block : unsigned {
    kPaused = 1,    // The owner called pause().
    kOverRate = 2,  // The exchange waits for its turn under the rate limit.
  };

  void block(Block reason);
  void unblock(Block reason);
  bool within_rate(std::size_t bytes);
  void set_up(const Transport& transport);
  void set_up_limits(const Transport& transport);
  void set_up_tls(const Transport& transport);
  void make_fresh();
  void arm_stall();
  static SteadyTime now();
  void start_floor();
  void arm_floor();
  void on_floor();
  bool took_enough(std::size_t bytes);
  void on_deadline();
  void on_stall();
  void end(Status status);
  Error error_of(CURLcode code);
  bool was_asked() const;
  bool has_too_much_overhead() const;
  bool allows_redirect();
  void on_redirect();
  void finish_head();
  void make_window_small();
  void count_failure();
  Subject subject() const;
  void read_address();
  std::optional<http::Url> answering_url() const;
  void note_answer();
  Error reach_failure() const;

  bool may_use(const SocketAddress& peer) override;
  Verdict on_header_line(std::string_view line) override;
  void on_raw(std::string_view bytes) override;
  Verdict on_received(std::string_view bytes) override;
  void on_finished(CURLcode code) override;

  Driver& driver_;
  Counters& counters_;
  Reach& reach_;
  ExchangeSpec spec_;
  ExchangeEvents& events_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<event::Alarm> deadline_;
  std::unique_ptr<event::Alarm> stall_;
  std::unique_ptr<event::Alarm> floor_alarm_;
  std::optional<policy::RateFloor> floor_;   // Set after the head, if there is a floor.
  std::unique_ptr<RateLimit::Share> share_;  // Null unless rate_limited.
  Head head_;
  std::uint64_t head_bytes_ = 0;  // The bytes of all heads, also of interim answers.
  std::uint64_t raw_bytes_ = 0;   // The bytes after heads, still chunked and compressed.
  std::uint64_t body_bytes_ = 0;  // The bytes of the body, decoded.
  std::uint64_t curl_call_ = 0;   // Driver::curl_calls() when bytes last came.
  std::uint64_t call_bytes_ = 0;  // The bytes that came in call curl_call_.
  bool head_done_ = false;
  std::string refused_;  // Why reach_ refused an address last; "" for none.
  bool failure_counted_ = false;
  unsigned blocks_ = 0;  // A set of Block.
  bool curl_paused_ = false;
  std::optional<Error> error_;  // Why the exchange told curl to stop.
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_EXCHANGE_H_
