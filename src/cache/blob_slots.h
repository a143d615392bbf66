// SPDX-License-Identifier: Apache-2.0
//
// BlobSlots limits how many blobs come from one registry at a time. Each blob needs a slot, and
// slots are shared fairly among clients (policy/fair_slots.h). When no slot is free, a client
// without a slot takes a slot from the client with the most slots, if that client has at least two
// slots. A transfer whose slot was taken or lent must wait in the line again. Small requests need
// no slot, so a tag check never waits for a layer. Loop thread only.
//
// Invariants: line_ has the Slots in kWaiting, and no others; used_ has the Slots in kInUse, and no
// others; used_ never exceeds the limit; all Slots are destroyed before the BlobSlots.

#ifndef LAYBY_CACHE_BLOB_SLOTS_H_
#define LAYBY_CACHE_BLOB_SLOTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/ip_address.h"
#include "layby/policy/fair_slots.h"

namespace layby::cache {

class BlobSlots {
 public:
  // The transfer that a slot belongs to.
  class Holder {
   public:
    // The slot may be used from now on. Called in a later turn of the loop, or inside
    // Slot::hurry(). May destroy the slot.
    virtual void on_slot() = 0;
    // The slot was taken for another client, and waits in the line. Must not destroy a slot.
    virtual void on_slot_taken() = 0;
    // The clients that wait for the transfer now.
    virtual policy::SlotClients slot_clients() const = 0;

   protected:
    ~Holder() = default;
  };

  // A place in the line, or a slot in use. The destructor gives back the place or slot.
  class Slot {
   public:
    Slot(BlobSlots& slots, Holder& holder);
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot();

    // Grants the slot at once when a slot is free and nobody else waits. Otherwise the slot is
    // granted at a later turn of the loop.
    void hurry();
    // lend() leaves the slot, or the place in the line, to other transfers. take_back() joins the
    // line again. Both calls are idempotent.
    void lend();
    void take_back();
    bool in_use() const { return state_ == State::kInUse; }

   private:
    friend class BlobSlots;
    enum class State {
      kWaiting,  // In the line.
      kInUse,    // Granted, and counted.
      kLent,     // Neither in the line nor counted, because the transfer is paused.
    };
    void enter(State next);

    BlobSlots& slots_;
    Holder& holder_;
    State state_ = State::kWaiting;
  };

  BlobSlots(Timers& timers, std::size_t limit);
  ~BlobSlots();
  BlobSlots(const BlobSlots&) = delete;
  BlobSlots& operator=(const BlobSlots&) = delete;

  // Joins the line. `holder` outlives the slot.
  std::unique_ptr<Slot> ask(Holder& holder) { return std::make_unique<Slot>(*this, holder); }
  // Looks at the line again at the next turn, because the clients of a transfer may have changed.
  void wake();

 private:
  void serve();
  bool serve_next();
  void grant(std::size_t waiting, const policy::SlotUse& now);
  void take(std::size_t used);
  policy::SlotUse use() const;
  // Remembers the turn of `clients`, and sometimes forgets the turns of clients without a transfer.
  void note_turn(const policy::SlotClients& clients);

  Timers& timers_;
  const std::size_t limit_;
  std::vector<Slot*> line_;  // In the order of asking.
  std::vector<Slot*> used_;  // In the order of the grants.
  std::map<IpAddress, std::uint64_t> turns_;
  std::uint64_t turns_made_ = 0;
  Handle soon_;  // The timer of the next serve().
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_BLOB_SLOTS_H_
