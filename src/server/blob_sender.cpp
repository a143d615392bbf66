// SPDX-License-Identifier: Apache-2.0
//
// Invariants: at_ only grows, and stays within the range of the body. No byte at or above
// the reader's readable_bytes() is sent.

#include "server/blob_sender.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "layby/base/log.h"

namespace layby::server {

BlobSender::BlobSender(const Context& context, BlobBody& body, std::function<void()> on_warm)
    : context_(context),
      body_(body),
      at_(body.range.first),
      cold_read_(context.server, std::move(on_warm)) {
  assert(end() <= body.reader->size_bytes());
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
  while (at_ < end()) {
    if (body_.reader->revoked()) {
      log::warn("{}: closing the connection in mid-blob: the blob is damaged on the disk",
                context_.client_address);
      return SendOutcome::kBroken;
    }
    if (budget == 0) return SendOutcome::kWaitsForSocket;
    const std::uint64_t length = sendable_bytes(budget);
    if (length == 0) return SendOutcome::kWaitsForBytes;
    const SendOutcome outcome = send_some(length, budget);
    if (outcome != SendOutcome::kOut) return outcome;
  }
  assert(at_ == end() && !cold_read_.reading());
  if (std::exchange(corked_, false)) context_.socket.cork(false);
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
    if (outcome == SendOutcome::kWaitsForSocket && window_)
      window_->on_full(at_ - body_.range.first);
    return outcome;
  }
  const auto sent = static_cast<std::uint64_t>(n);
  assert(sent <= length && length <= budget_bytes);
  at_ += sent;
  budget_bytes -= sent;
  body_.reader->consumed(at_);
  auto& counters = context_.server.counters;
  count(body_.reader->from_fill() ? counters.blob_bytes_from_fills : counters.blob_bytes_from_cache,
        sent);
  if (body_.reader->spares_link()) count(counters.saved_bytes, sent);
  return SendOutcome::kOut;
}

// Without a cork the kernel sends a segment or less whenever the socket's buffer is full, and
// each segment wakes the client. A growing blob goes out without a cork, as its bytes come. While
// this process encrypts only one long blob, the blob goes out without a cork, so that the client
// can decrypt one record while this process makes the next.
void BlobSender::cork_if_long() {
  if (corked_ || end() - at_ <= kTurnBytes || body_.reader->readable_bytes() < end()) return;
  if (!std::exchange(is_long_, true)) ++context_.long_blobs;
  if (context_.socket.encrypts() && context_.long_blobs == 1) return;
  corked_ = true;
  context_.socket.cork(true);
}

std::uint64_t BlobSender::sendable_bytes(std::uint64_t budget_bytes) {
  if (cold_read_.reading()) return 0;
  const std::uint64_t readable = std::min(body_.reader->readable_bytes(), end());
  if (at_ >= readable) return 0;
  const cache::BlobPart part = body_.reader->part_at(at_);
  assert(part.end_bytes > at_);
  const std::uint64_t available = std::min(readable, part.end_bytes) - at_;
  const std::uint64_t length = std::min(budget_bytes, available);
  return cold_read_.warm(part.fd, at_, length, available) ? length : 0;
}

}  // namespace layby::server
