// SPDX-License-Identifier: Apache-2.0
//
// What an upstream answers, read by an Exchange over a socket of loopback. The first line of the
// input has options:
//
//   H     the request is a HEAD
//   z     gzip is offered; the body is limited to 2 MiB, and p and l are ignored
//   k, K  the body is limited to 4 KiB, or 64 KiB
//   w     the window is small
//   l     the exchange has a share of the rate limit, and a floor
//   p     the owner pauses at each piece of the body, for a turn
//   f     the owner fails the exchange at its head
//   d, D  the owner drops the exchange at the body, or at the head
//   x     the request goes through a proxy, which the upstream plays
//
// A script follows (script.h): its bytes answer the first request, and its operations are
//
//   t       the loop turns
//   n       the rest answers the next request
//   c, r    the upstream closes or resets the connection; the rest answers the next request
//   1 to 9  the bytes before the operation come again and again, 4 to 2^18 times in all
//
// If an answer has a Location, requests go through the proxy, so no redirect leaves this machine.
// An exchange ends once, within some turns of the script's end, and takes no more bytes and memory
// than the bounds of src/upstream/DESIGN.md.

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client_end.h"
#include "heap.h"
#include "layby/base/counters.h"
#include "layby/base/log.h"
#include "layby/event/loop.h"
#include "layby/upstream/multi.h"
#include "require.h"
#include "script.h"
#include "upstream/exchange.h"

namespace layby::fuzz {
namespace {

using namespace layby::upstream;

constexpr std::size_t kMostScriptBytes = 512 << 10;
constexpr std::size_t kPieceBytes = 4 << 10;
// After so many turns without a request, the peer gives up and closes the connection.
constexpr int kPatienceTurns = 400;

// The bounds of an answer, as src/upstream/DESIGN.md states them.
constexpr std::uint64_t kOverheadBytes = 64 << 10;
constexpr std::uint64_t kOverheadForAByte = 8;
constexpr std::uint64_t kRedirects = 5;
constexpr std::uint64_t kMostHeapBytes = 4 << 20;

struct Answer {
  std::string bytes;
  char operation = 0;  // 0 at the end of the script.
};

// The script with its repetitions carried out.
std::vector<Answer> unfold(std::string_view script) {
  std::vector<Answer> answers;
  std::size_t room = kMostScriptBytes;
  while (!script.empty()) {
    const Step step = take_step(script);
    Answer answer{std::string(step.bytes.substr(0, room)), step.operation};
    room -= answer.bytes.size();
    if (step.operation >= '1' && step.operation <= '9') {
      const std::string once = answer.bytes;
      const std::size_t times = std::size_t{1} << (2 * (step.operation - '0'));
      for (std::size_t i = 1; i < times && !once.empty() && once.size() <= room; ++i) {
        answer.bytes += once;
        room -= once.size();
      }
    }
    if (step.operation == '~') answer.bytes += '~';
    answers.push_back(std::move(answer));
  }
  return answers;
}

bool has_location(const std::vector<Answer>& answers) {
  constexpr std::string_view kName = "location";
  std::string all;
  for (const Answer& answer : answers) all += answer.bytes;
  return std::search(all.begin(), all.end(), kName.begin(), kName.end(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         }) != all.end();
}

// Plays the upstream, one action a turn.
class Peer {
 public:
  Peer(const LoopbackListener& listener, const std::vector<Answer>& answers)
      : listener_(listener), answers_(answers) {}

  void step() {
    while (UniqueFd fd = listener_.accept()) {
      connection_ = std::move(fd);
      request_.clear();
    }
    read();
    if (waits_) return wait();
    act();
  }
  std::uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  // Takes the requests that have come.
  void read() {
    std::array<char, 4096> buffer;
    ssize_t n = 0;
    while (connection_ && (n = ::recv(connection_.get(), buffer.data(), buffer.size(), 0)) > 0) {
      request_.append(buffer.data(), static_cast<std::size_t>(n));
    }
    if (n == 0 && connection_) connection_.reset();
  }

  void wait() {
    const std::size_t end = request_.find("\r\n\r\n");
    if (end != std::string::npos) {
      request_.erase(0, end + 4);
      waits_ = false;
      patience_ = kPatienceTurns;
      return;
    }
    if (--patience_ > 0) return;
    patience_ = kPatienceTurns;
    connection_.reset();
  }

  void act() {
    if (at_ == answers_.size()) {
      connection_.reset();
      waits_ = true;
      return;
    }
    const Answer& answer = answers_[at_];
    if (connection_ && sent_of_answer_ < answer.bytes.size()) return send(answer.bytes);
    ++at_;
    sent_of_answer_ = 0;
    const char what = answer.operation;
    if (what == 'r') set_reset();
    if (what == 'r' || what == 'c') connection_.reset();
    waits_ = what == 'n' || what == 'r' || what == 'c';
  }

  void send(std::string_view bytes) {
    const std::string_view piece = bytes.substr(sent_of_answer_, kPieceBytes);
    const ssize_t n = ::send(connection_.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return connection_.reset();
    if (n < 0) return;
    sent_of_answer_ += static_cast<std::size_t>(n);
    sent_bytes_ += static_cast<std::uint64_t>(n);
  }

  void set_reset() const {
    const linger at_once{1, 0};
    if (!connection_) return;
    ::setsockopt(connection_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }

  const LoopbackListener& listener_;
  const std::vector<Answer>& answers_;
  std::size_t at_ = 0;
  std::size_t sent_of_answer_ = 0;
  std::uint64_t sent_bytes_ = 0;
  UniqueFd connection_;
  std::string request_;
  bool waits_ = true;  // For a request.
  int patience_ = kPatienceTurns;
};

class Owner final : public ExchangeEvents {
 public:
  Owner(Driver& driver, const Transport& transport, const ExchangeSpec& spec,
        std::string_view options)
      : spec_(spec),
        options_(options),
        exchange_(std::make_unique<Exchange>(driver, counters_, transport, spec, *this)) {}

  bool is_over() const { return ended_ || !exchange_; }
  bool is_paused() const { return paused_; }
  void resume() {
    if (std::exchange(paused_, false) && exchange_) exchange_->resume();
  }
  std::uint64_t body_bytes() const { return body_bytes_; }

 private:
  bool has(char letter) const { return has_option(options_, letter); }

  void on_head(const Head& head) override {
    require(exchange_ != nullptr && !ended_ && !head_, "one head comes, before the end");
    require(head.status >= 200 && !head.is_redirect(), "the head is that of the last answer");
    require(head.length_fault().empty(), "the head has no faulty length");
    head_ = head;
    if (has('f')) exchange_->fail({ErrorCode::kInvalid, "fuzz", {}});
    if (has('D')) exchange_.reset();
  }

  void on_body(std::string_view bytes) override {
    require(exchange_ != nullptr && !ended_ && head_.has_value(), "a body follows its head");
    require(!paused_ && !has('f'), "no bytes come to an owner who has paused or failed");
    require(!bytes.empty() && !is_bodiless(), "an answer without a body has no bytes");
    body_bytes_ += bytes.size();
    require(spec_.max_body_bytes == 0 || body_bytes_ <= spec_.max_body_bytes,
            "a body keeps to its limit");
    require(!length() || body_bytes_ <= *length(), "a body keeps to its Content-Length");
    if (has('p') && !spec_.gzip) {
      paused_ = true;
      exchange_->pause();
    }
    if (has('d')) exchange_.reset();
  }

  void on_end(Status status) override {
    require(exchange_ != nullptr && !std::exchange(ended_, true), "an exchange ends once");
    require(!status.ok() || (head_.has_value() && !has('f')), "a success has a head");
    require(!status.ok() || is_bodiless() || !length() || body_bytes_ == *length(),
            "a success has the whole body");
    require(status.ok() || !status.error().message.empty(), "a failure says why");
    exchange_.reset();
  }

  bool is_bodiless() const {
    return spec_.method == Method::kHead || head_->status == 204 || head_->status == 304;
  }
  // The length of the body that on_body() gets, if the head states the length.
  std::optional<std::uint64_t> length() const {
    return spec_.gzip ? std::nullopt : head_->content_length();
  }

  const ExchangeSpec spec_;
  const std::string_view options_;
  Counters counters_;
  std::optional<Head> head_;
  std::uint64_t body_bytes_ = 0;
  bool paused_ = false;
  bool ended_ = false;
  std::unique_ptr<Exchange> exchange_;
};

ExchangeSpec spec_of(std::string_view options, const std::string& url) {
  ExchangeSpec spec;
  spec.method = has_option(options, 'H') ? Method::kHead : Method::kGet;
  spec.url = url;
  spec.host_label = "upstream.test";
  spec.request_label = "GET fuzz";
  spec.gzip = has_option(options, 'z');
  if (spec.gzip) spec.max_body_bytes = 2 << 20;
  if (has_option(options, 'K')) spec.max_body_bytes = 64 << 10;
  if (has_option(options, 'k')) spec.max_body_bytes = 4 << 10;
  spec.small_window = has_option(options, 'w');
  spec.rate_limited = has_option(options, 'l') && !spec.gzip;
  if (spec.rate_limited) spec.floor = policy::RateFloorRules();
  return spec;
}

// The most bytes that an exchange may take from the upstream.
std::uint64_t most_bytes(const ExchangeSpec& spec, std::uint64_t body_bytes) {
  const std::uint64_t buffer_bytes = spec.max_body_bytes > 0 ? 16 << 10 : 256 << 10;
  return kOverheadBytes + (1 + kOverheadForAByte) * body_bytes +
         (1 + kRedirects) * (buffer_bytes + kPieceBytes);
}

// Closed connections keep their ports for a minute, so kMostUses limits the inputs of one listener.
const LoopbackListener& listener() {
  constexpr int kMostUses = 5000;
  static std::unique_ptr<LoopbackListener> present;
  static int uses = 0;
  if (uses++ % kMostUses == 0) present = std::make_unique<LoopbackListener>();
  return *present;
}

void run(std::string_view options, const std::vector<Answer>& answers) {
  const LoopbackListener& upstream = listener();
  const std::string address = "http://127.0.0.1:" + std::to_string(upstream.port());
  const bool proxied = has_option(options, 'x') || has_location(answers);
  const std::string url = (proxied ? "http://upstream.test" : address) + "/v2/";
  const HeapPeak peak;
  const auto loop = *event::Loop::create();
  const auto multi = *Multi::create(*loop);
  Reach reach({http::parse_url(url).value(), proxied ? address : "", false},
              multi->driver().own_ports());
  // Without CA certificates every server is refused, so a redirect to https ends the exchange.
  const Transport transport{reach, "/dev/null", proxied ? address : "", "layby/fuzz",
                            std::chrono::seconds(60)};
  const ExchangeSpec spec = spec_of(options, url);
  Peer peer(upstream, answers);
  Owner owner(multi->driver(), transport, spec, options);
  for (Patience patience; !owner.is_over() && patience.is_left();) {
    if (!owner.is_paused()) peer.step();
    turn(*loop);
    owner.resume();
  }
  require(owner.is_over(), "an exchange ends after its upstream has left");
  require(peer.sent_bytes() <= most_bytes(spec, owner.body_bytes()),
          "an exchange takes no more bytes than its bound");
  require(peak.bytes() <= kMostHeapBytes, "an exchange takes no more memory than its bound");
  for (int i = 0; i < 3; ++i) turn(*loop);  // A second on_end() would come in these turns.
}

bool set_up() {
  std::signal(SIGPIPE, SIG_IGN);  // As the daemon does.
  log::start("error");
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"}) {
    ::unsetenv(name);
  }
  return true;
}

void check(std::string_view input) {
  [[maybe_unused]] static const bool once = set_up();
  const std::string_view options = take_line(input);
  const std::vector<Answer> answers = unfold(input);
  run(options, answers);
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
