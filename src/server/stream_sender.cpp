// SPDX-License-Identifier: Apache-2.0
//
// The buffer has room for a size line, the data, and the end of a chunk or of the body. fill()
// makes one chunk of all bytes that the source has, so small pieces share a chunk.
//
// Invariants: the source is never called inside its own functions. The source is asked only when
// out_ is empty. With Content-Length, the last announced byte goes out only after the source
// has said that the body is whole, and no byte beyond the announced bytes goes out.

#include "server/stream_sender.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <utility>

#include "layby/base/log.h"

namespace layby::server {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

[[maybe_unused]] constexpr bool may_follow(StreamState from, StreamState to) {
  using State = StreamState;
  switch (to) {
    case State::kUnasked:
      return false;
    case State::kReady:
      return from == State::kUnasked || from == State::kAsking || from == State::kWaiting;
    case State::kAsking:
      return from == State::kReady;
    case State::kWaiting:
    case State::kEnded:
    case State::kFailed:
      return from == State::kAsking;
  }
  return false;
}

}  // namespace

StreamSender::Framing StreamSender::framing_of(const StreamBody& body, int http_minor) {
  if (body.length) return Framing::kContentLength;
  return http_minor > 0 ? Framing::kChunks : Framing::kUntilClose;
}

StreamSender::StreamSender(const Context& context, std::string_view head, StreamBody body,
                           Framing framing, std::function<void()> on_more)
    : context_(context),
      framing_(framing),
      length_(body.length),
      on_more_(std::move(on_more)),
      head_(head),
      source_(std::move(body.source)) {
  assert(source_ != nullptr && on_more_);
  assert(length_.has_value() == (framing == Framing::kContentLength));
}

SendOutcome StreamSender::send() {
  assert(state_ != StreamState::kAsking && state_ != StreamState::kFailed);
  if (state_ == StreamState::kUnasked) {
    enter(StreamState::kReady);
    source_->listen(*this);
  }
  if (state_ == StreamState::kWaiting && told_) enter(StreamState::kReady);
  for (std::uint64_t sent = 0; sent < kTurnBytes;) {
    if (out_.empty() && state_ != StreamState::kEnded && !fill()) return SendOutcome::kBroken;
    if (is_held() || (head_.empty() && out_.empty())) return outcome_without_bytes();
    const ssize_t n = context_.socket.send(head_, out_, false);
    if (n < 0) return outcome_of_failed_send();
    take_off(static_cast<std::size_t>(n));
    sent += static_cast<std::uint64_t>(n);
  }
  return SendOutcome::kWaitsForSocket;
}

SendOutcome StreamSender::outcome_without_bytes() const {
  if (state_ == StreamState::kEnded) return SendOutcome::kOut;
  assert(state_ == StreamState::kWaiting);
  return told_ ? SendOutcome::kWaitsForSocket : SendOutcome::kWaitsForBytes;
}

void StreamSender::on_more() {
  told_ = true;
  if (state_ == StreamState::kWaiting) on_more_();
}

bool StreamSender::fill() {
  assert(out_.empty());
  while (state_ == StreamState::kReady && (data_bytes_ < kDataBytes || is_held())) ask();
  if (state_ == StreamState::kFailed) return false;
  if (!is_held()) frame();
  return true;
}

void StreamSender::ask() {
  // When the data fills the buffer, the source still gets room for one byte, in the place of the
  // tail. So a body that is longer than announced is noticed.
  const std::size_t room = std::max<std::size_t>(kDataBytes - data_bytes_, 1);
  enter(StreamState::kAsking);
  told_ = false;
  const BodyRead read =
      source_->read(std::span(buffer_).subspan(kSizeLineBytes + data_bytes_, room));
  if (const auto* bytes = std::get_if<BodyBytes>(&read)) {
    assert(bytes->count > 0 && bytes->count <= room);
    data_bytes_ += bytes->count;
    given_bytes_ += bytes->count;
    if (length_ && given_bytes_ > *length_) {
      return fail({ErrorCode::kInvalid, "the body is longer than its announced length", {}});
    }
    return enter(StreamState::kReady);
  }
  if (std::holds_alternative<BodyWaits>(read)) return enter(StreamState::kWaiting);
  if (const auto* error = std::get_if<Error>(&read)) return fail(*error);
  if (length_ && given_bytes_ < *length_) {
    return fail({ErrorCode::kInvalid, "the body is shorter than its announced length", {}});
  }
  enter(StreamState::kEnded);
}

void StreamSender::fail(const Error& error) {
  log::debug("{}: closing the connection in mid-body: {}", context_.client_address, error.message);
  enter(StreamState::kFailed);
}

bool StreamSender::is_held() const {
  return length_ && given_bytes_ == *length_ && state_ != StreamState::kEnded;
}

void StreamSender::frame() {
  char* const data = buffer_.data() + kSizeLineBytes;
  char* begin = data;
  char* end = data + data_bytes_;
  if (framing_ == Framing::kChunks) {
    if (data_bytes_ > 0) {
      std::array<char, 4> size;
      const auto digits = std::to_chars(size.begin(), size.end(), data_bytes_, 16);
      begin = std::copy_backward(kLineEnd.begin(), kLineEnd.end(), begin);
      begin = std::copy_backward(size.begin(), digits.ptr, begin);
      end = std::copy(kLineEnd.begin(), kLineEnd.end(), end);
    }
    if (state_ == StreamState::kEnded) end = std::copy(kLastChunk.begin(), kLastChunk.end(), end);
  }
  assert(begin >= buffer_.data() && end <= buffer_.data() + buffer_.size());
  out_ = {begin, static_cast<std::size_t>(end - begin)};
  data_bytes_ = 0;
}

void StreamSender::take_off(std::size_t sent_bytes) {
  assert(sent_bytes <= head_.size() + out_.size());
  const std::size_t of_head = std::min(sent_bytes, head_.size());
  head_.remove_prefix(of_head);
  out_.remove_prefix(sent_bytes - of_head);
}

void StreamSender::enter(StreamState state) {
  assert(may_follow(state_, state));
  state_ = state;
}

}  // namespace layby::server
