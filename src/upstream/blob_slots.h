// SPDX-License-Identifier: Apache-2.0
//
// BlobSlots limits how many blobs come from one registry at a time. Each blob needs a slot, and
// slots are granted in the order of asking. Small requests need no slot, so a tag check never
// waits for a layer. Loop thread only.
//
// Invariants: a Slot is in the queue exactly until the slot is granted; in_use_ counts the slots
// that are granted and not lent, and exceeds the limit only by slots that were taken back;
// all Slots are destroyed before the BlobSlots.

#ifndef LAYBY_UPSTREAM_BLOB_SLOTS_H_
#define LAYBY_UPSTREAM_BLOB_SLOTS_H_

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <utility>

#include "layby/event/loop.h"

namespace layby::upstream {

class BlobSlots {
 public:
  // A place in the queue, and later a granted slot. The destructor gives back the place or slot.
  class Slot {
   public:
    Slot(BlobSlots& slots, std::function<void()> on_granted);
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot();

    // Lends the slot to other blobs until take_back(). take_back() never waits, so more slots
    // than the limit may be in use for a while. lend() and take_back() are idempotent, and do
    // nothing before the slot is granted.
    void lend();
    void take_back();

   private:
    friend class BlobSlots;
    enum class State {
      kWaiting,  // In the queue.
      kInUse,    // Granted, and counted in in_use_.
      kLent,     // Granted, but not counted, so that another blob may have a slot.
    };
    void enter(State next);

    BlobSlots& slots_;
    std::function<void()> on_granted_;
    State state_ = State::kWaiting;
  };

  BlobSlots(event::Loop& loop, std::size_t limit);
  ~BlobSlots();
  BlobSlots(const BlobSlots&) = delete;
  BlobSlots& operator=(const BlobSlots&) = delete;

  // Calls `on_granted` at a later turn of the loop, once a slot is free.
  std::unique_ptr<Slot> ask(std::function<void()> on_granted) {
    return std::make_unique<Slot>(*this, std::move(on_granted));
  }

 private:
  void grant();
  void wake();

  std::size_t limit_;
  std::size_t in_use_ = 0;
  std::list<Slot*> queue_;
  std::unique_ptr<event::Alarm> soon_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_BLOB_SLOTS_H_
