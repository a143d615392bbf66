// SPDX-License-Identifier: Apache-2.0
//
// A queue, and a count. Granting is always a turn later: a slot may be given back deep
// inside some other transfer's callback.

#include "upstream/blob_slots.h"

#include <algorithm>
#include <utility>

namespace layby::upstream {

BlobSlots::Slot::Slot(BlobSlots& slots, std::function<void()> on_granted)
    : slots_(slots), on_granted_(std::move(on_granted)) {
  slots_.queue_.push_back(this);
  slots_.wake();
}

BlobSlots::Slot::~Slot() {
  if (granted_) {
    lend();
  } else {
    slots_.queue_.remove(this);
  }
}

void BlobSlots::Slot::lend() {
  if (!granted_ || std::exchange(lent_, true)) return;
  --slots_.in_use_;
  slots_.wake();
}

void BlobSlots::Slot::take_back() {
  if (std::exchange(lent_, false)) ++slots_.in_use_;
}

BlobSlots::BlobSlots(event::Loop& loop, std::size_t limit)
    : limit_(std::max<std::size_t>(limit, 1)), soon_(loop.alarm([this] { grant(); })) {}

void BlobSlots::wake() {
  if (in_use_ < limit_ && !queue_.empty()) soon_->arm(std::chrono::milliseconds(0));
}

void BlobSlots::grant() {
  while (in_use_ < limit_ && !queue_.empty()) {
    Slot* slot = queue_.front();
    queue_.pop_front();
    slot->granted_ = true;
    ++in_use_;
    const auto on_granted = std::move(slot->on_granted_);
    on_granted();  // May destroy the slot.
  }
}

}  // namespace layby::upstream
