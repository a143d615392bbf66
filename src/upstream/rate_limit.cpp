// SPDX-License-Identifier: Apache-2.0
//
// Shares take turns, with one piece in each turn. A piece from curl has 16 KiB. When there are
// several Shares, every piece goes through the queue, even if the limit has room for the piece.
// Otherwise, after a late alarm, the Share that curl calls first would take all the bytes that the
// limit has saved up.

#include "upstream/rate_limit.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::upstream {

RateLimit::Share::Share(RateLimit& limit, std::function<void()> on_turn)
    : limit_(limit), on_turn_(std::move(on_turn)) {
  assert(on_turn_);
  ++limit_.shares_;
}

RateLimit::Share::~Share() {
  assert(limit_.shares_ > 0);
  --limit_.shares_;
  limit_.queue_.remove(this);
}

bool RateLimit::Share::take(std::uint64_t bytes) {
  assert(std::count(limit_.queue_.begin(), limit_.queue_.end(), this) == 0);
  const std::uint64_t paid = std::exchange(paid_bytes_, 0);
  if (!limit_.limited()) return true;
  if (paid == 0 && (limit_.shares_ > 1 || !limit_.may_go())) {
    wanted_bytes_ = bytes;
    limit_.queue_.push_back(this);
    limit_.wake();
    return false;
  }
  if (bytes > paid) limit_.count(bytes - paid);
  return true;
}

RateLimit::RateLimit(event::Loop& loop, std::uint64_t max_rate)
    : alarm_(loop.alarm([this] { give_turns(); })) {
  set_max_rate(max_rate);
}

RateLimit::~RateLimit() { assert(shares_ == 0 && queue_.empty()); }

void RateLimit::set_max_rate(std::uint64_t max_rate) {
  if (max_rate == 0) {
    bucket_.reset();
  } else if (bucket_) {
    bucket_->set_rate(max_rate, clock_.steady_now());
  } else {
    bucket_.emplace(max_rate, clock_.steady_now());
  }
  wake();
}

std::unique_ptr<RateLimit::Share> RateLimit::share(std::function<void()> on_turn) {
  return std::make_unique<Share>(*this, std::move(on_turn));
}

void RateLimit::count(std::uint64_t bytes) {
  if (bucket_) bucket_->spend(bytes, clock_.steady_now());
}

std::chrono::nanoseconds RateLimit::wait() const {
  return bucket_ ? bucket_->wait(clock_.steady_now()) : std::chrono::nanoseconds(0);
}

void RateLimit::wake() {
  if (queue_.empty()) return;
  alarm_->arm(std::chrono::ceil<std::chrono::milliseconds>(wait()));
}

void RateLimit::give_turns() {
  while (!queue_.empty() && may_go()) {
    Share* share = queue_.front();
    queue_.pop_front();
    share->paid_bytes_ = share->wanted_bytes_;
    count(share->paid_bytes_);
    share->on_turn_();
  }
  wake();
}

}  // namespace layby::upstream
