// SPDX-License-Identifier: Apache-2.0
//
// The connection's transitions. send() sends until the answer is out, the socket is full, the next
// bytes are missing, or the turn's budget is spent. send_answer() returns what must happen next.
//
// Invariants: a transaction exists in kReading, kHandling and kSending, never in kIdle. `unread_`
// is empty whenever bytes are read for a head, so requests keep their order. Nothing is sent beyond
// the head and Content-Length. If the end of the connection marks the end of a body, a close in
// mid-body resets the connection. A closed connection has no watch, and gets no call from the
// handler, the reader, the source of a stream or the disk.

#include "server/connection.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "layby/base/log.h"
#include "layby/server/gate.h"

namespace layby::server {
namespace {

// The most that one read takes. Reading stops when this many bytes wait in unread_.
constexpr std::size_t kReadBytes = 16 << 10;
constexpr std::chrono::milliseconds kLingerTimeout{2'000};
// How often a client that has stopped sending is checked while the handler works. A client of
// HTTP/1.0 counts as gone after this time.
constexpr std::chrono::milliseconds kLeavingCheck{100};
// If a client stops sending in mid-answer, and its answer then waits this long for bytes of a fill
// or a disk, the client counts as gone. While bytes go out, a closed socket refuses them, and so
// shows that the client is gone.
constexpr std::chrono::seconds kLateEndPatience{5};

using Framing = StreamSender::Framing;

}  // namespace

Connection::Connection(const Context& context, ClientSocket socket, ClientInfo client,
                       ClientPlace place, std::function<void(Connection&)> on_closed)
    : context_(context),
      socket_(std::move(socket)),
      client_(std::move(client)),
      place_(std::move(place)),
      on_closed_(std::move(on_closed)),
      watch_(context.server.loop.watch(socket_.fd(), *this)),
      alarm_(context.server.loop.alarm([this] { on_alarm(); })) {
  // The first request must come within request_timeout, not only within idle_timeout.
  alarm_->arm(context_.limits.request_timeout);
}

Connection::~Connection() = default;

// The first request has usually arrived already. A connection that is answered and closed inside
// start() is never watched.
void Connection::start() {
  assert(state_ == ConnectionState::kIdle && transaction_ == nullptr);
  read();
  want_io();
}

void Connection::drain() {
  keep_alive_ = false;
  if (state_ == ConnectionState::kIdle) close();
}

void Connection::on_io(bool readable, bool writable) {
  assert(state_ != ConnectionState::kClosed);
  if (writable && state_ == ConnectionState::kSending) {
    waits_for_socket_ = false;
    send();
  } else if (writable && takes_heads()) {
    return next_in_advance();
  }
  if (readable && state_ != ConnectionState::kClosed) read();
}

// While a request is handled or answered, a readable socket means that the client has gone
// or sends its next request in advance. The next request waits in unread_.
void Connection::read() {
  // Bytes in unread_ come first. After want_io(), the loop calls next_in_advance(), which takes
  // them.
  if (takes_heads() && !unread_.empty()) return;
  // The buffer isn't zeroed, although the compiler zeroes other variables, because most reads fill
  // only a small part of the buffer.
  __attribute__((uninitialized)) std::array<char, kReadBytes> buffer;
  const ssize_t n = socket_.read(buffer.data(), buffer.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n == 0 && is_busy()) return on_client_ended();
  if (n <= 0) return close();
  const std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
  switch (state_) {
    case ConnectionState::kIdle:
    case ConnectionState::kReading:
      assert(unread_.empty());
      consume(bytes);
      if (socket_.has_unread()) want_io();
      return;
    case ConnectionState::kHandling:
    case ConnectionState::kSending:
      unread_.append(bytes);
      return want_io();
    case ConnectionState::kLingering:
    case ConnectionState::kClosed:
      return;
  }
}

// An endless stream ends when its client stops sending.
void Connection::on_client_ended() {
  client_ended_ = true;
  const auto* body = transaction_ ? std::get_if<StreamBody>(&transaction_->response.body) : nullptr;
  const bool is_endless = stream_ && body != nullptr && !body->length;
  if (is_endless || socket_.is_gone()) return close();
  if (state_ == ConnectionState::kHandling) {
    watch_for_leaving();
  } else {
    watch_late_end();
  }
  want_io();
}

void Connection::watch_for_leaving() {
  assert(state_ == ConnectionState::kHandling && client_ended_);
  // HTTP/1.0 has no interim answers (RFC 9110, section 15.2).
  if (request_->http_minor > 0) socket_.ask_whether_gone();
  alarm_->arm(kLeavingCheck);
}

void Connection::watch_late_end() {
  late_end_check_ =
      context_.server.loop.after(kLateEndPatience, [this, sent_bytes = socket_.sent_bytes()] {
        const bool waits = state_ == ConnectionState::kSending && !waits_for_socket_;
        const bool is_silent = waits && socket_.sent_bytes() == sent_bytes;
        if (is_silent || socket_.is_gone()) return close();
        watch_late_end();
      });
}

void Connection::consume(std::string_view bytes) {
  if (bytes.empty()) return;
  assert(state_ == ConnectionState::kIdle ? transaction_ == nullptr
                                          : state_ == ConnectionState::kReading);
  if (state_ == ConnectionState::kIdle) enter(ConnectionState::kReading);
  if (!transaction_) transaction_ = context_.spare.take(context_.limits.header_bytes);
  RequestParser& parser = transaction_->parser;
  std::size_t consumed = 0;
  const auto outcome = parser.feed(bytes, consumed);
  if (outcome == RequestParser::Outcome::kIncomplete) return;
  assert(consumed <= bytes.size());
  unread_ = bytes.substr(consumed);
  if (outcome == RequestParser::Outcome::kRefused) return refuse(parser.refusal());
  request_ = &parser.request();
  request_->client = client_;
  on_request();
}

void Connection::on_request() {
  enter(ConnectionState::kHandling);
  // Bodies are not read, so no request can follow a body on this connection.
  keep_alive_ = request_->keep_alive && !request_->has_body && !context_.draining;
  body_wanted_ = request_->method != "HEAD";
  auto refusal = context_.clients.judge(*request_, place_);
  if (!refusal && context_.gate != nullptr) refusal = context_.gate->judge(*request_);
  if (refusal) return respond(std::move(*refusal));
  auto handling = context_.handler.handle(
      *request_, [this](Response response) { respond(std::move(response)); });
  if (state_ != ConnectionState::kHandling) return;
  handling_ = std::move(handling);
  if (client_ended_) watch_for_leaving();
}

void Connection::refuse(const RequestParser::Refusal& refusal) {
  assert(state_ == ConnectionState::kReading);
  keep_alive_ = false;
  body_wanted_ = true;
  Response response;
  response.status = refusal.status;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = std::make_shared<const std::string>("layby: " + refusal.text + "\n");
  respond(std::move(response));
}

void Connection::respond(Response given) {
  assert(state_ == ConnectionState::kReading || state_ == ConnectionState::kHandling);
  assert(transaction_ != nullptr);
  count(context_.server.counters.requests);
  if (given.status >= 400) count(context_.server.counters.request_errors);
  Response& response = transaction_->response = std::move(given);
  write_head();
  memory_ = MemorySender();
  waits_for_socket_ = false;
  enter(ConnectionState::kSending);
  if (auto* stream = std::get_if<StreamBody>(&response.body)) return begin_stream(*stream);
  auto* blob = std::get_if<BlobBody>(&response.body);
  if (blob != nullptr && body_wanted_) begin_blob(*blob);
  send();
}

void Connection::write_head() {
  const Response& response = transaction_->response;
  std::optional<std::uint64_t> length;
  bool chunked = false;
  if (const auto* none = std::get_if<NoBody>(&response.body)) {
    length = none->content_length;
    body_wanted_ = false;
  } else if (const auto* text = std::get_if<std::shared_ptr<const std::string>>(&response.body)) {
    length = *text ? (*text)->size() : 0;
    body_wanted_ = body_wanted_ && *length > 0;
  } else if (const auto* blob = std::get_if<BlobBody>(&response.body)) {
    length = blob->body_bytes();
  } else {
    const auto& stream = std::get<StreamBody>(response.body);
    length = stream.length;
    const Framing framing = StreamSender::framing_of(stream, request_->http_minor);
    chunked = body_wanted_ && framing == Framing::kChunks;
    if (body_wanted_ && framing == Framing::kUntilClose) keep_alive_ = false;
  }
  context_.head_writer.write({response.status, response.headers, length, chunked, keep_alive_},
                             transaction_->head);
}

// listen() comes last, because the reader may call back inside listen(), and the callback may
// send the answer or close the connection.
void Connection::begin_blob(BlobBody& body) {
  assert(state_ == ConnectionState::kSending && blob_ == nullptr);
  const BlobSender::Context context{context_.server, socket_, client_.address, context_.long_blobs,
                                    context_.budget()};
  blob_ = std::make_unique<BlobSender>(context, body, [this] { on_readable(); });
  body.reader->will_read(body.range.first, body.range.first + body.range.length);
  body.reader->listen(this);
}

// The source may be the caller of respond(), and may call on_more() inside its own functions.
// So the source is called and destroyed only in turns that the socket or a timer begins.
void Connection::begin_stream(StreamBody& body) {
  assert(state_ == ConnectionState::kSending && stream_ == nullptr && body.source != nullptr);
  if (body_wanted_) {
    const Framing framing = StreamSender::framing_of(body, request_->http_minor);
    if (framing == Framing::kUntilClose) socket_.reset_on_close(true);
    stream_ = std::make_unique<StreamSender>(StreamSender::Context{socket_, client_.address},
                                             transaction_->head, std::move(body), framing,
                                             [this] { send_later(); });
  }
  send_later();
}

void Connection::send_later() {
  assert(state_ == ConnectionState::kSending);
  waits_for_socket_ = true;  // A writable socket calls send() in the next turn.
  want_io();
}

void Connection::on_readable() {
  assert(state_ == ConnectionState::kSending);
  if (!waits_for_socket_) send();
}

void Connection::on_reader_failed(const Error& error) {
  assert(state_ == ConnectionState::kSending);
  // The body ends short of Content-Length, so no client takes the body for a whole blob.
  log::debug("{}: closing the connection in mid-blob: {}", client_.address, error.message);
  close();
}

void Connection::send() {
  if (state_ != ConnectionState::kSending) return;
  switch (send_answer()) {
    case SendOutcome::kOut:
      return on_response_sent();
    case SendOutcome::kWaitsForSocket:
      waits_for_socket_ = true;
      return want_io();
    case SendOutcome::kWaitsForBytes:
      return want_io();
    case SendOutcome::kBroken:
      return close();
  }
}

SendOutcome Connection::send_answer() {
  assert(transaction_ != nullptr);
  if (stream_) return stream_->send();
  const SendOutcome outcome = send_memory();
  return outcome == SendOutcome::kOut && blob_ ? blob_->send() : outcome;
}

SendOutcome Connection::send_memory() {
  const auto* body = std::get_if<std::shared_ptr<const std::string>>(&transaction_->response.body);
  std::string_view text = body_wanted_ && body != nullptr ? **body : std::string_view();
  if (blob_) text = blob_->first_text();
  // The head of a blob goes out in one segment with the first bytes of the blob, if blob bytes
  // can be sent now. Otherwise the head goes out at once, because blob bytes may take long.
  const bool more = blob_ ? !memory_.has_begun() && blob_->has_bytes() : joins_end();
  return memory_.send(socket_, transaction_->head, text, more);
}

void Connection::on_response_sent() {
  assert(state_ == ConnectionState::kSending && !waits_for_socket_);
  // A socket that is closed with unread bytes resets the connection; see DESIGN.md on lingering.
  const bool linger_first = !request_ || request_->has_body || !unread_.empty();
  blob_.reset();
  stream_.reset();
  socket_.reset_on_close(false);
  handling_.reset();
  request_ = nullptr;
  if (client_.is_proxy) place_ = ClientPlace();
  context_.spare.give_back(std::move(transaction_));
  if (!keep_alive_) return linger_first ? linger() : close();
  enter(ConnectionState::kIdle);
  want_io();
}

void Connection::next_in_advance() {
  if (unread_.empty()) {
    read();
  } else {
    consume(std::exchange(unread_, std::string()));
  }
  want_io();
}

void Connection::linger() {
  assert(!keep_alive_ && transaction_ == nullptr);
  socket_.end_sending();
  unread_.clear();
  enter(ConnectionState::kLingering);
  want_io();
}

void Connection::close() {
  if (state_ == ConnectionState::kClosed) return;
  enter(ConnectionState::kClosed);
  blob_.reset();
  stream_.reset();
  watch_.reset();
  handling_.reset();
  late_end_check_.reset();
  if (transaction_) transaction_->response = Response();  // The handler may still use the request.
  place_ = ClientPlace();
  socket_.close();
  on_closed_(*this);
}

void Connection::want_io() {
  if (state_ == ConnectionState::kClosed) return;
  // A next request that has arrived already is taken up a turn later, so that a client with many
  // requests in one packet does not block the loop. Nothing is read until the next turn.
  if (takes_heads() && (!unread_.empty() || socket_.has_unread())) return watch_->want(false, true);
  // A client that sends far ahead of its answers must wait.
  const bool readable = unread_.size() < kReadBytes && !(client_ended_ && is_busy());
  watch_->want(readable, waits_for_socket_);
}

void Connection::on_alarm() {
  assert(state_ != ConnectionState::kClosed);
  if (client_ended_ && socket_.is_gone()) return close();
  if (state_ == ConnectionState::kHandling) {
    assert(client_ended_);
    return request_->http_minor > 0 ? alarm_->arm(kLeavingCheck) : close();
  }
  if (state_ == ConnectionState::kReading) {
    count(context_.server.counters.connections_timed_out);
    return refuse({408, "the request's head did not come in time"});
  }
  if (state_ == ConnectionState::kSending) {
    if (!stall_.look(waits_for_socket_, socket_.sent_bytes())) return arm_stall_check();
    log::info("{}: closing the connection: the client took no byte for {} s", client_.address,
              context_.limits.stall_timeout.count() / 1000);
    count(context_.server.counters.connections_timed_out);
  }
  close();
}

void Connection::arm_stall_check() {
  alarm_->arm(StallCheck::time_to_next(context_.limits.stall_timeout));
}

void Connection::enter(ConnectionState state) {
  assert(may_follow(state_, state));
  state_ = state;
  switch (state) {
    case ConnectionState::kIdle:
      return alarm_->arm(context_.limits.idle_timeout);
    case ConnectionState::kReading:
      return alarm_->arm(context_.limits.request_timeout);
    case ConnectionState::kSending:
      stall_.begin(socket_.sent_bytes());
      return arm_stall_check();
    case ConnectionState::kLingering:
      return alarm_->arm(kLingerTimeout);
    case ConnectionState::kHandling:
    case ConnectionState::kClosed:
      return alarm_->disarm();
  }
}

}  // namespace layby::server
