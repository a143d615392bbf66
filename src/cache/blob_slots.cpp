// SPDX-License-Identifier: Apache-2.0
//
// Slots are granted at a later turn of the loop, because a slot may be given back inside a
// callback of the previous transfer.

#include "cache/blob_slots.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <iterator>
#include <set>

namespace layby::cache {
namespace {

// The turns of clients without a transfer are forgotten when at least kManyTurns turns, plus two
// for each transfer, are remembered.
constexpr std::size_t kManyTurns = 64;

}  // namespace

BlobSlots::Slot::Slot(BlobSlots& slots, Holder& holder) : slots_(slots), holder_(holder) {
  slots_.line_.push_back(this);
  slots_.wake();
}

BlobSlots::Slot::~Slot() {
  if (state_ != State::kLent) lend();
}

void BlobSlots::Slot::enter(State next) {
  assert(next != state_);
  assert(next != State::kInUse || state_ == State::kWaiting);
  auto remove = [this](std::vector<Slot*>& from) {
    [[maybe_unused]] const auto removed = std::erase(from, this);
    assert(removed == 1);
  };
  if (state_ == State::kWaiting) remove(slots_.line_);
  if (state_ == State::kInUse) remove(slots_.used_);
  state_ = next;
  if (state_ == State::kWaiting) slots_.line_.push_back(this);
  if (state_ == State::kInUse) slots_.used_.push_back(this);
  assert(slots_.used_.size() <= slots_.limit_);
}

void BlobSlots::Slot::lend() {
  if (state_ == State::kLent) return;
  enter(State::kLent);
  slots_.wake();
}

void BlobSlots::Slot::take_back() {
  if (state_ == State::kLent) enter(State::kWaiting);
  slots_.wake();
}

void BlobSlots::Slot::hurry() {
  if (state_ != State::kWaiting || slots_.line_.size() > 1) return;
  const policy::SlotUse now = slots_.use();
  if (now.in_use.size() >= now.limit || !policy::next_for_slot(now)) return;
  slots_.grant(0, now);
}

BlobSlots::BlobSlots(Timers& timers, std::size_t limit)
    : timers_(timers), limit_(std::max<std::size_t>(limit, 1)) {}

BlobSlots::~BlobSlots() { assert(used_.empty() && line_.empty()); }

void BlobSlots::wake() {
  if (line_.empty() || soon_) return;
  soon_ = timers_.after(std::chrono::milliseconds(0), [this] {
    const Handle over = std::move(soon_);
    serve();
  });
}

void BlobSlots::serve() {
  while (serve_next()) {
  }
}

bool BlobSlots::serve_next() {
  const policy::SlotUse now = use();
  if (const auto surplus = policy::slot_to_give_up(now)) {
    take(*surplus);
    return true;
  }
  const auto next = policy::next_for_slot(now);
  if (!next) return false;
  if (used_.size() >= limit_) {
    const auto taken = policy::slot_to_take(now, now.waiting[*next]);
    if (!taken) return false;
    take(*taken);
  }
  grant(*next, now);
  return true;
}

void BlobSlots::grant(std::size_t waiting, const policy::SlotUse& now) {
  Slot& slot = *line_[waiting];
  note_turn(now.waiting[waiting]);
  slot.enter(Slot::State::kInUse);
  slot.holder_.on_slot();  // May destroy the slot.
}

void BlobSlots::take(std::size_t used) {
  Slot& slot = *used_[used];
  slot.enter(Slot::State::kWaiting);
  slot.holder_.on_slot_taken();
}

policy::SlotUse BlobSlots::use() const {
  const auto clients = [](const Slot* slot) { return slot->holder_.slot_clients(); };
  policy::SlotUse use{limit_, {}, {}, turns_};
  std::transform(used_.begin(), used_.end(), std::back_inserter(use.in_use), clients);
  std::transform(line_.begin(), line_.end(), std::back_inserter(use.waiting), clients);
  return use;
}

void BlobSlots::note_turn(const policy::SlotClients& clients) {
  ++turns_made_;
  for (const IpAddress& client : clients) turns_[client] = turns_made_;
  if (turns_.size() < kManyTurns + 2 * (line_.size() + used_.size())) return;
  std::set<IpAddress> present;
  for (const auto* slots : {&line_, &used_}) {
    for (const Slot* slot : *slots) {
      for (const IpAddress& client : slot->holder_.slot_clients()) present.insert(client);
    }
  }
  std::erase_if(turns_, [&](const auto& turn) { return !present.contains(turn.first); });
}

}  // namespace layby::cache
