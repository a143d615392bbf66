// SPDX-License-Identifier: Apache-2.0
//
// How many blobs come from one registry at a time: a slot each, given in the order of
// asking. Small requests need none, so that no tag check waits behind a layer. Loop
// thread only.

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
  // A place in the queue, then a slot. Its destructor gives either back.
  class Slot {
   public:
    Slot(BlobSlots& slots, std::function<void()> on_granted);
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot();

    // Others may have it until it is taken back, which never waits: then more than the
    // limit are in use for a while. Both are idempotent, and nothing before it is granted.
    void lend();
    void take_back();

   private:
    friend class BlobSlots;
    BlobSlots& slots_;
    std::function<void()> on_granted_;
    bool granted_ = false;
    bool lent_ = false;
  };

  BlobSlots(event::Loop& loop, std::size_t limit);

  // Calls `on_granted` at a later turn of the loop, when there is room.
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
