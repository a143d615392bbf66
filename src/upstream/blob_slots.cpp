// SPDX-License-Identifier: Apache-2.0
//
// A queue of waiting slots and a count of used slots. A free slot is granted at a later turn of
// the loop, because the slot may be given back inside a callback of the previous transfer.

#include "upstream/blob_slots.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::upstream {

BlobSlots::Slot::Slot(BlobSlots& slots, std::function<void()> on_granted)
    : slots_(slots), on_granted_(std::move(on_granted)) {
  assert(on_granted_);
  slots_.queue_.push_back(this);
  slots_.wake();
}

BlobSlots::Slot::~Slot() {
  if (state_ == State::kWaiting) {
    [[maybe_unused]] const auto removed = slots_.queue_.remove(this);
    assert(removed == 1);
  } else {
    lend();
  }
}

void BlobSlots::Slot::enter(State next) {
  assert(next != State::kWaiting);
  assert((next == State::kLent) == (state_ == State::kInUse));
  state_ = next;
}

void BlobSlots::Slot::lend() {
  if (state_ != State::kInUse) return;
  enter(State::kLent);
  assert(slots_.in_use_ > 0);
  --slots_.in_use_;
  slots_.wake();
}

void BlobSlots::Slot::take_back() {
  if (state_ != State::kLent) return;
  enter(State::kInUse);
  ++slots_.in_use_;
}

BlobSlots::BlobSlots(event::Loop& loop, std::size_t limit)
    : limit_(std::max<std::size_t>(limit, 1)), soon_(loop.alarm([this] { grant(); })) {}

BlobSlots::~BlobSlots() { assert(in_use_ == 0 && queue_.empty()); }

void BlobSlots::wake() {
  if (in_use_ < limit_ && !queue_.empty()) soon_->arm(std::chrono::milliseconds(0));
}

void BlobSlots::grant() {
  while (in_use_ < limit_ && !queue_.empty()) {
    Slot* slot = queue_.front();
    queue_.pop_front();
    assert(slot->state_ == Slot::State::kWaiting);
    slot->enter(Slot::State::kInUse);
    ++in_use_;
    const auto on_granted = std::move(slot->on_granted_);
    on_granted();  // May destroy the slot.
  }
}

}  // namespace layby::upstream
