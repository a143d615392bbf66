// SPDX-License-Identifier: Apache-2.0
//
// An Exchange is one request over one wire. curl follows redirects itself, and drops
// Authorization when host, port or scheme change; a test checks that curl does so. curl would
// also follow a redirect from https down to http; the Exchange refuses such a redirect.

#include "upstream/exchange.h"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/base/log.h"
#include "layby/http/url.h"
#include "upstream/failure.h"

namespace layby::upstream {
namespace {

// The most overhead of an exchange, which is all bytes that don't become a body: the heads of all
// answers, the bodies of redirects, and the framing of chunked and compressed bodies.
constexpr std::uint64_t kMaxOverheadBytes = 64 << 10;
// The additional overhead that each byte of a body allows. A chunk of a single byte has five bytes
// around this byte.
constexpr std::uint64_t kOverheadForAByte = 8;
constexpr std::uint64_t kLineEndBytes = 2;
// A window for some 30 Mbit/s at a round trip of 20 ms. The kernel doubles the value for its own
// needs.
constexpr int kSmallWindowBytes = 64 << 10;
// The most bytes that one exchange takes in one call into curl, so that other exchanges get their
// turn: some 0.5 ms of work. Bytes that curl has read beyond the limit are copied once; they fill
// at most one buffer of curl.
constexpr std::uint64_t kMaxCallBytes = 1 << 20;

}  // namespace

Exchange::Exchange(Driver& driver, Counters& counters, const Transport& transport,
                   ExchangeSpec spec, ExchangeEvents& events)
    : driver_(driver),
      counters_(counters),
      reach_(transport.reach),
      spec_(std::move(spec)),
      events_(events),
      wire_(std::make_unique<Wire>(*this)),
      deadline_(driver.loop().alarm([this] { on_deadline(); })),
      stall_(driver.loop().alarm([this] { on_stall(); })),
      floor_alarm_(driver.loop().alarm([this] { on_floor(); })) {
  assert(!spec_.gzip || (spec_.max_body_bytes > 0 && !spec_.rate_limited));
  head_.host = spec_.host_label;
  if (spec_.rate_limited) {
    share_ = driver_.rate_limit().share([this] { unblock(kOverRate); });
  }
  if (wire_->easy) set_up(transport);
  if (wire_->setup_code != CURLE_OK) {
    error_ = failure(subject(), ErrorCode::kIo, curl_easy_strerror(wire_->setup_code),
                     "is libcurl built with TLS and zlib?");
    deadline_->arm(std::chrono::milliseconds(0));
    return;
  }
  if (spec_.deadline.count() > 0) deadline_->arm(spec_.deadline);
  arm_stall();
  driver_.start(*wire_);
}

Exchange::~Exchange() {
  if (wire_) driver_.release(std::move(wire_));
}

void Exchange::pause() {
  assert(!spec_.gzip);
  block(kPaused);
}

void Exchange::resume() { unblock(kPaused); }

void Exchange::block(Block reason) {
  blocks_ |= reason;
  stall_->disarm();
  floor_alarm_->disarm();
  if (floor_) floor_->stop(now());
}

void Exchange::unblock(Block reason) {
  if ((blocks_ & reason) == 0) return;
  blocks_ &= ~static_cast<unsigned>(reason);
  if (blocks_ != 0) return;
  arm_stall();
  arm_floor();
  if (std::exchange(curl_paused_, false) && wire_) driver_.unpause_soon(*wire_);
}

void Exchange::fail(Error error) {
  assert(wire_);
  if (!error_) error_ = std::move(error);
}

void Exchange::arm_stall() {
  if (wire_ && spec_.stall_timeout.count() > 0 && blocks_ == 0) stall_->arm(spec_.stall_timeout);
}

// Real time, because the loop's alarms use real time.
SteadyTime Exchange::now() { return SystemClock().steady_now(); }

void Exchange::start_floor() {
  if (spec_.floor.min_bytes == 0) return;
  floor_.emplace(spec_.floor, now());
  if (blocks_ != 0) floor_->stop(now());
  arm_floor();
}

void Exchange::arm_floor() {
  if (!wire_ || !floor_ || blocks_ != 0) return;
  floor_->go_on(now());
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(floor_->left(now()));
  floor_alarm_->arm(std::max(left, std::chrono::milliseconds(0)));
}

void Exchange::on_floor() {
  assert(floor_ && blocks_ == 0);
  if (!floor_->fails(now())) return arm_floor();
  end(failure(subject(), ErrorCode::kTimedOut,
              "too slow: only " + std::to_string(floor_->counted_bytes()) + " bytes came in " +
                  std::to_string(spec_.floor.window.count() / 1000) + " seconds",
              "check the link"));
}

void Exchange::on_deadline() {
  if (error_) return end(*std::exchange(error_, std::nullopt));
  end(failure(subject(), ErrorCode::kTimedOut, "no answer in time", "check the link"));
}

void Exchange::on_stall() {
  assert(blocks_ == 0);
  read_address();
  end(failure(subject(), ErrorCode::kTimedOut, "no byte arrives any more", "check the link"));
}

void Exchange::end(Status status) {
  assert(wire_);
  deadline_->disarm();
  stall_->disarm();
  floor_alarm_->disarm();
  share_.reset();
  driver_.release(std::move(wire_));
  if (!status.ok()) count_failure();
  events_.on_end(std::move(status));  // May destroy this exchange.
}

Verdict Exchange::on_header_line(std::string_view line) {
  if (error_) return Verdict::kStop;
  if (head_done_) return Verdict::kTaken;  // `line` is a trailer field, which on_raw() has counted.
  head_bytes_ += line.size() + kLineEndBytes;
  if (has_too_much_overhead()) {
    fail(failure(subject(), ErrorCode::kInvalid, "the header is too large"));
  } else if (line.starts_with("HTTP/")) {
    head_.headers.clear();
  } else if (line.empty()) {
    const Wire& wire = *wire_;
    finish_head();  // May destroy this exchange, but `wire` lives until curl has returned.
    if (wire.owner == nullptr) return Verdict::kStop;
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    head_.headers.add(line.substr(0, colon), http::trim(line.substr(colon + 1)));
  }
  return error_ ? Verdict::kStop : Verdict::kTaken;
}

// When curl reads `bytes`, curl has passed on or dropped all earlier bytes, because curl reads
// nothing while a pause holds back a part of the body. So all earlier raw bytes that didn't become
// a body are overhead.
void Exchange::on_raw(std::string_view bytes) {
  if (!error_ && has_too_much_overhead()) {
    fail(
        failure(subject(), ErrorCode::kInvalid,
                "sends too much beside the body: chunk extensions, trailers or a redirect's body"));
    // The alarm ends the exchange even if curl calls neither on_header_line() nor on_received().
    deadline_->arm(std::chrono::milliseconds(0));
  }
  raw_bytes_ += bytes.size();
}

// Decoded gzip may be longer than the raw bytes. The framing then counts as 0 bytes.
bool Exchange::has_too_much_overhead() const {
  const std::uint64_t framing = raw_bytes_ > body_bytes_ ? raw_bytes_ - body_bytes_ : 0;
  return head_bytes_ + framing > kMaxOverheadBytes + kOverheadForAByte * body_bytes_;
}

void Exchange::finish_head() {
  assert(!head_done_);
  long status = 0;
  curl_easy_getinfo(wire_->easy.get(), CURLINFO_RESPONSE_CODE, &status);
  head_.status = static_cast<int>(status);
  read_address();
  note_answer();
  // An interim answer doesn't extend the stall timeout, because a server could send interim answers
  // for ever.
  if (head_.status < 200) return;
  arm_stall();
  if (const std::string_view fault = head_.length_fault(); !fault.empty()) {
    return fail(failure(subject(), ErrorCode::kCorrupt, fault, "is upstreams[].url a registry?"));
  }
  if (head_.is_redirect()) return on_redirect();
  head_done_ = true;
  start_floor();
  if (spec_.small_window) make_window_small();
  if (head_.status == 429) count(counters_.upstream_throttled);
  if (head_.status == 429 || head_.status >= 500) count_failure();
  events_.on_head(head_);
}

// Makes the receive buffer small. The socket keeps the small buffer, so the connection must not
// be reused.
void Exchange::make_window_small() {
  const curl_socket_t fd = wire_->socket;
  if (fd == CURL_SOCKET_BAD) return;
  wire_->set(CURLOPT_FORBID_REUSE, 1L);
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSmallWindowBytes, sizeof kSmallWindowBytes) != 0) {
    log::debug("{}: the receive buffer can't be made smaller", spec_.request_label);
  }
}

void Exchange::count_failure() {
  if (!std::exchange(failure_counted_, true)) count(counters_.upstream_failures);
}

// The request, and the host that answered last; before an answer, the host that was asked.
Subject Exchange::subject() const { return {head_.host, spec_.request_label}; }

// Asks curl which host has answered, after redirects, and stores the host in head_.
void Exchange::read_address() {
  const auto asked = http::parse_url(spec_.url);
  const auto answered = answering_url();
  head_.from_another_origin = !asked.ok() || !answered || asked->origin() != answered->origin();
  if (answered) head_.host = host_label(*answered);
}

// curl makes the next request after this call, with the headers that are set now.
void Exchange::on_redirect() {
  if (!allows_redirect()) {
    return fail(failure(subject(), ErrorCode::kInvalid,
                        "redirected from https to http, which isn't followed"));
  }
  wire_->set(CURLOPT_HTTPHEADER, wire_->headers.get());
}

bool Exchange::allows_redirect() {
  assert(head_.is_redirect());
  char* text = nullptr;
  curl_easy_getinfo(wire_->easy.get(), CURLINFO_EFFECTIVE_URL, &text);
  const std::string_view from = text != nullptr ? text : "";
  const std::string_view to = head_.location();
  const auto has_scheme = [](std::string_view url, std::string_view scheme) {
    return http::equals_ignoring_case(url.substr(0, scheme.size()), scheme);
  };
  return !(has_scheme(from, "https:") && has_scheme(to, "http:"));
}

Verdict Exchange::on_received(std::string_view bytes) {
  if (error_) return Verdict::kStop;
  if (!head_done_) {
    // A Location of odd white space, such as a vertical tab, is empty for curl, but not for
    // is_redirect().
    fail(failure(subject(), ErrorCode::kCorrupt, "redirected to nowhere"));
    return Verdict::kStop;
  }
  if (blocks_ != 0) {
    curl_paused_ = true;
    return Verdict::kPause;
  }
  // While curl holds back decoded bytes, it decodes the rest of its buffer into memory, up to a
  // thousand times the buffer's size. So gzip isn't held back; max_body_bytes limits it.
  if (!spec_.gzip && took_enough(bytes.size())) {
    driver_.unpause_soon(*wire_);
    return Verdict::kPause;
  }
  if (!within_rate(bytes.size())) {
    block(kOverRate);
    curl_paused_ = true;
    return Verdict::kPause;
  }
  arm_stall();
  count(counters_.upstream_bytes, bytes.size());
  body_bytes_ += bytes.size();
  if (floor_) floor_->count(bytes.size());
  if (spec_.max_body_bytes > 0 && body_bytes_ > spec_.max_body_bytes) {
    fail(failure(subject(), ErrorCode::kInvalid, "the answer is too large"));
    return Verdict::kStop;
  }
  const Wire& wire = *wire_;
  events_.on_body(bytes);  // May destroy this exchange, but `wire` lives until curl has returned.
  return wire.owner == nullptr || error_ ? Verdict::kStop : Verdict::kTaken;
}

bool Exchange::took_enough(std::size_t bytes) {
  const std::uint64_t call = driver_.curl_calls();
  if (std::exchange(curl_call_, call) != call) call_bytes_ = 0;
  call_bytes_ += bytes;
  return call_bytes_ > kMaxCallBytes;
}

bool Exchange::within_rate(std::size_t bytes) {
  if (share_) return share_->take(bytes);
  driver_.rate_limit().count(bytes);
  return true;
}

// The URL of the last request that was sent or is about to be sent. nullopt for a URL that curl
// accepts and parse_url() refuses; such a URL is never the registry's own URL.
std::optional<http::Url> Exchange::answering_url() const {
  char* text = nullptr;
  curl_easy_getinfo(wire_->easy.get(), CURLINFO_EFFECTIVE_URL, &text);
  auto url = http::parse_url(text != nullptr ? text : "");
  return url.ok() ? std::optional(*std::move(url)) : std::nullopt;
}

bool Exchange::may_use(const SocketAddress& peer) {
  std::string refusal = reach_.refusal(answering_url().value_or(http::Url()), peer);
  if (refusal.empty()) return true;
  refused_ = std::move(refusal);
  return false;
}

// Tells reach_ the address that has answered.
void Exchange::note_answer() {
  const auto url = answering_url();
  char* ip = nullptr;
  long port = 0;
  curl_easy_getinfo(wire_->easy.get(), CURLINFO_PRIMARY_IP, &ip);
  curl_easy_getinfo(wire_->easy.get(), CURLINFO_PRIMARY_PORT, &port);
  const auto address = parse_ip_address(ip != nullptr ? ip : "");
  if (url && address) reach_.note_answer(*url, {*address, static_cast<std::uint16_t>(port)});
}

void Exchange::on_finished(CURLcode code) {
  if (error_) return end(*std::exchange(error_, std::nullopt));
  // If a redirect has no target and no body, curl reports success. If a redirect without a target
  // has a body, on_received() catches the redirect.
  if (code == CURLE_OK && !head_done_) code = CURLE_WEIRD_SERVER_REPLY;
  if (code != CURLE_OK) return end(error_of(code));
  end({});
}

Error Exchange::reach_failure() const {
  return failure(subject(), ErrorCode::kInvalid, "the registry " + refused_);
}

// Whether curl has sent a request. After the request, curl reports CURLE_OUT_OF_MEMORY only for a
// header line of more than 100 KiB.
bool Exchange::was_asked() const {
  long bytes = 0;
  curl_easy_getinfo(wire_->easy.get(), CURLINFO_REQUEST_SIZE, &bytes);
  return bytes > 0;
}

Error Exchange::error_of(CURLcode code) {
  // curl also reports UNSUPPORTED_PROTOCOL for an answer without a status line (HTTP/0.9).
  if (code == CURLE_UNSUPPORTED_PROTOCOL && !head_.is_redirect()) code = CURLE_WEIRD_SERVER_REPLY;
  read_address();  // The target of a redirect may have failed.
  const bool no_socket = code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK;
  if (no_socket && !refused_.empty()) return reach_failure();
  if (code == CURLE_OUT_OF_MEMORY && !head_done_ && was_asked()) {
    return failure(subject(), ErrorCode::kInvalid, "a line of the header is too long");
  }
  return curl_failure(subject(), code, wire_->easy.get(), wire_->error_text.data());
}

}  // namespace layby::upstream
