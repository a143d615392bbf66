// SPDX-License-Identifier: Apache-2.0
//
// Invariants: at_ only grows within a range, and stays within the ranges of the body. No byte at or
// above the reader's readable_bytes() is sent. One text of a part is in memory at a time.

#include "server/blob_sender.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "layby/base/log.h"

namespace layby::server {
namespace {

// A part costs two calls of the kernel, however few bytes it has, so the text of a part counts as
// this many bytes of a turn.
constexpr std::uint64_t kTextCostBytes = 4 << 10;

}  // namespace

BlobSender::BlobSender(const Context& context, BlobBody& body, std::function<void()> on_warm)
    : context_(context),
      body_(body),
      at_(body.range.first),
      end_(span_end()),
      cold_read_(context.server, std::move(on_warm)) {
  assert(span_end() <= body.reader->size_bytes());
  if (body.parts) {
    const http::ByteRange first = body.parts->ranges().front();
    at_ = first.first;
    end_ = first.first + first.length;
    first_text_ = body.parts->head(0);
  }
  if (context.budget != nullptr) {
    window_.emplace(context.socket.fd(), context.server.clock, *context.budget);
  }
}

BlobSender::~BlobSender() {
  if (!is_long_) return;
  --context_.long_blobs;
  assert(context_.long_blobs >= 0);
}

SendOutcome BlobSender::send() {
  std::uint64_t budget = kTurnBytes;
  if (window_) window_->on_room();
  cork_if_long();
  do {
    SendOutcome outcome = send_text(budget);
    if (outcome == SendOutcome::kOut) outcome = send_range(budget);
    if (outcome != SendOutcome::kOut) return outcome;
  } while (begin_next());
  assert(!cold_read_.reading());
  if (std::exchange(corked_, false)) context_.socket.cork(false);
  return SendOutcome::kOut;
}

SendOutcome BlobSender::send_range(std::uint64_t& budget_bytes) {
  while (at_ < end_) {
    if (body_.reader->revoked()) {
      log::warn("{}: closing the connection in mid-blob: the blob is damaged on the disk",
                context_.client_address);
      return SendOutcome::kBroken;
    }
    if (budget_bytes == 0) return SendOutcome::kWaitsForSocket;
    const std::uint64_t length = sendable_bytes(budget_bytes);
    if (length == 0) return SendOutcome::kWaitsForBytes;
    const SendOutcome outcome = send_some(length, budget_bytes);
    if (outcome != SendOutcome::kOut) return outcome;
  }
  assert(at_ == end_);
  return SendOutcome::kOut;
}

bool BlobSender::begin_next() {
  assert(at_ == end_ && !text_sender_);
  if (!body_.parts || part_ == body_.parts->count()) return false;
  text_sender_.emplace();
  if (++part_ == body_.parts->count()) {
    text_ = body_.parts->end();
    return true;
  }
  text_ = body_.parts->head(part_);
  const http::ByteRange& range = body_.parts->ranges()[part_];
  at_ = range.first;
  end_ = range.first + range.length;
  body_.reader->consumed(at_);
  return true;
}

// The text goes out with the first bytes of its part, if these can be sent now, or at once.
SendOutcome BlobSender::send_text(std::uint64_t& budget_bytes) {
  if (!text_sender_) return SendOutcome::kOut;
  if (budget_bytes == 0) return SendOutcome::kWaitsForSocket;
  const bool more = !text_sender_->has_begun() && has_bytes();
  const SendOutcome outcome = text_sender_->send(context_.socket, text_, {}, more);
  if (outcome != SendOutcome::kOut) {
    if (outcome == SendOutcome::kWaitsForSocket && window_) window_->on_full(sent_bytes_);
    return outcome;
  }
  text_sender_.reset();
  budget_bytes -= std::min(budget_bytes, kTextCostBytes);
  return SendOutcome::kOut;
}

SendOutcome BlobSender::send_some(std::uint64_t length, std::uint64_t& budget_bytes) {
  const ssize_t n = context_.socket.send_file(body_.reader->part_at(at_).fd, at_, length);
  if (n == 0 || (n < 0 && errno == EIO)) {
    log::error("{}: a blob file {}", context_.client_address,
               n == 0 ? "is shorter than the index says" : "can't be read from the disk");
    return SendOutcome::kBroken;
  }
  if (n < 0) {
    const SendOutcome outcome = outcome_of_failed_send();
    if (outcome == SendOutcome::kWaitsForSocket && window_) window_->on_full(sent_bytes_);
    return outcome;
  }
  const auto sent = static_cast<std::uint64_t>(n);
  assert(sent <= length && length <= budget_bytes);
  at_ += sent;
  sent_bytes_ += sent;
  budget_bytes -= sent;
  body_.reader->consumed(at_);
  auto& counters = context_.server.counters;
  count(body_.reader->from_fill() ? counters.blob_bytes_from_fills : counters.blob_bytes_from_cache,
        sent);
  if (body_.reader->spares_link()) count(counters.saved_bytes, sent);
  return SendOutcome::kOut;
}

// Without a cork the kernel sends a segment or less whenever the socket's buffer is full or a part
// begins, and each segment wakes the client. A growing blob goes out without a cork, as its bytes
// come. While this process encrypts only one long blob, the blob goes out without a cork, so that
// the client can decrypt one record while this process makes the next.
void BlobSender::cork_if_long() {
  if (corked_ || body_.reader->readable_bytes() < span_end()) return;
  if (!body_.parts && end_ - at_ <= kTurnBytes) return;
  if (!std::exchange(is_long_, true)) ++context_.long_blobs;
  if (context_.socket.encrypts() && context_.long_blobs == 1) return;
  corked_ = true;
  context_.socket.cork(true);
}

std::uint64_t BlobSender::sendable_bytes(std::uint64_t budget_bytes) {
  if (cold_read_.reading()) return 0;
  const std::uint64_t readable = std::min(body_.reader->readable_bytes(), end_);
  if (at_ >= readable) return 0;
  const cache::BlobPart part = body_.reader->part_at(at_);
  assert(part.end_bytes > at_);
  const std::uint64_t available = std::min(readable, part.end_bytes) - at_;
  const std::uint64_t length = std::min(budget_bytes, available);
  return cold_read_.warm(part.fd, at_, length, available) ? length : 0;
}

}  // namespace layby::server
