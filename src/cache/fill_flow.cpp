// SPDX-License-Identifier: Apache-2.0
//
// Decides whether a fill goes on for waiting clients, goes on in the background or ends, and when
// its transfer pauses. An unkept fill ends when its last reader has left. A kept fill that nobody
// waits for ends if it got no byte, or if the background has no place for it.

#include <algorithm>
#include <cassert>
#include <chrono>

#include "cache/fill.h"

namespace layby::cache {
namespace {

// When more than this many bytes are still to come, a faster transfer is worth a new request.
constexpr std::uint64_t kWorthAsking = 8 << 20;

}  // namespace

// While a fill waits for its slow readers, nobody waits for upstream.
void Fill::follow_demand() {
  const bool demands = !background_ && is_downloading() && wait_ != Wait::kLong;
  if (demands == demand_.has_value()) return;
  if (demands) {
    demand_.emplace(context_.background);
  } else {
    demand_.reset();
  }
}

// A transfer that began in the background is slow, because its window is small. When many bytes
// are still to come, a new request brings them faster.
void Fill::come_to_the_fore() {
  left_.reset();
  follow_demand();
  const bool much_is_left = size_bytes_ && *size_bytes_ - appended_bytes_ > kWorthAsking;
  if (state_ == FillState::kStreaming && began_in_background_ && much_is_left) {
    transfer_.reset();
    ask();
  } else {
    update_flow();
  }
  tick_soon();
}

// A client may leave inside a call by the fill, so the fill reacts in a later turn.
void Fill::on_client_left() {
  if (state_ == FillState::kOver || leaving_ || clients_.any()) return;
  leaving_ = context_.timers.after(std::chrono::milliseconds(0), [this] {
    leaving_.reset();
    go_to_the_background();
  });
}

// A fill that got no byte is cancelled, because it has nothing that a later client could use.
void Fill::go_to_the_background() {
  assert(state_ != FillState::kOver);
  if (clients_.any() || background_ || !is_downloading()) return;
  if (is_unkept()) return follow_readers();
  if (!has_keepers()) {
    if (!got_bytes_ || !context_.background.has_place()) return cancel();
    left_.emplace(context_.background);
  }
  background_ = was_left_ = true;
  segments_.end_transfers();
  if (state_ == FillState::kJoining) join();
  follow_demand();
  update_flow();
}

Fill::Wait Fill::wait() const {
  assert(writer_);
  const std::uint64_t queued = writer_->queued_bytes();
  const std::uint64_t enough = wait_ != Wait::kNone ? context_.rules.max_queued_bytes / 2 + 1
                                                    : context_.rules.max_queued_bytes;
  if (background_ && !context_.background.may_go()) return Wait::kLong;
  const std::uint64_t ahead_bytes = is_unkept() ? written_bytes_ - slowest_reader() : 0;
  if (ahead_bytes > 0 && ahead_bytes >= context_.rules.max_unkept_bytes) return Wait::kLong;
  return keeping_ == Keeping::kAsking || queued >= enough ? Wait::kShort : Wait::kNone;
}

void Fill::update_flow() {
  if (state_ == FillState::kOver) return;
  const Wait next = wait();
  segments_.pause(next != Wait::kNone);
  if (!transfer_) return;
  if (next == wait_) return;
  wait_ = next;
  follow_demand();
  next == Wait::kNone ? transfer_->resume() : transfer_->pause();
}

bool Fill::send_hedge() {
  return !background_ && wait_ == Wait::kNone && transfer_ && transfer_->hedge();
}

// An opener will read from byte 0, so an opener counts as a reader at 0.
std::uint64_t Fill::slowest_reader() const {
  if (openers_.any()) return 0;
  return std::min(readers_.slowest().value_or(written_bytes_), written_bytes_);
}

// follow_readers() may end the fill and its readers, so follow_readers() never runs inside a
// reader's call.
void Fill::on_consumed() {
  if (!is_unkept() || following_) return;
  following_ = context_.timers.after(std::chrono::milliseconds(0), [this] {
    following_.reset();
    follow_readers();
  });
}

void Fill::follow_readers() {
  if (state_ == FillState::kOver) return;
  assert(is_unkept());
  if (!readers_.any() && !openers_.any()) {
    return fail({ErrorCode::kCancelled, name() + ": nobody reads it any more"});
  }
  const std::uint64_t slowest = slowest_reader();
  assert(slowest <= written_bytes_);
  if (slowest > released_bytes_) {
    released_bytes_ = slowest;
    writer_->release(slowest);
  }
  update_flow();
}

}  // namespace layby::cache
