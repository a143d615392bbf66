// SPDX-License-Identifier: Apache-2.0
//
// A blob that passes a guard. The blob waits for a slot, then for its turn within the limit of the
// minute, and is then sent. So a blob counts in the minute in which it is sent. When a blob's slot
// is taken or lent, a blob that waits for its turn leaves the line, and a blob that was sent
// pauses.
//
// Invariants: the blob waits for a turn only while it has a slot in use; the blob is sent at most
// once; no byte comes without a slot in use.

#include <cassert>
#include <utility>

#include "cache/blob_slots.h"
#include "cache/guard_request.h"
#include "cache/guard_times.h"
#include "cache/turns.h"
#include "layby/cache/guard.h"

namespace layby::cache {

// A failure before the blob's first byte says more about the link than a later failure.
class Guard::Transfer final : public BlobTransfer,
                              private BlobSink,
                              private Unanswered,
                              private Turns::Waiter,
                              private BlobSlots::Holder {
 public:
  using Start = std::function<std::unique_ptr<BlobTransfer>(BlobSink&)>;
  // `resumes`: the blob's first bytes came earlier.
  Transfer(Guard& guard, Asked asked, bool resumes, Start start, BlobSink& sink)
      : Unanswered(guard),
        Waiter(*guard.turns_, false),
        resumes_(resumes),
        start_(std::move(start)),
        sink_(sink),
        asked_(std::move(asked)) {
    auto error = guard_.why_part_not(asked_);
    error ? fail_soon(*std::move(error)) : ask_for_slot();
    if (slot_ && !inner_ && guard_.is_open()) give_up(guard_.no_wait());
  }

  void pause() override {
    paused_ = true;
    if (slot_ && sink_.lends_slot()) slot_->lend();
    follow_slot();
  }
  void resume() override {
    paused_ = false;
    if (slot_) slot_->take_back();
    follow_slot();
    if (is_in_line()) guard_.on_more_askers();
  }
  // A hedge uses the slot of its blob, counts in the minute, and doesn't wait for a turn. No hedge
  // goes to an upstream that is down or has asked for quiet.
  bool hedge() override {
    if (!inner_ || asked_.started || !slot_ || !slot_->in_use()) return false;
    if (guard_.is_open() || guard_.quiet_.until() > guard_.clock_.steady_now()) return false;
    if (guard_.why_part_not(asked_)) return false;
    const auto client = take_free_turn();
    if (!client) return false;
    turn_of_ = *client;
    return inner_->hedge();
  }

 private:
  // A blob in the background may pause at once. The blob is then sent only after it resumes.
  void ask_for_slot() {
    slot_ = guard_.slots_->ask(*this);
    if (!sink_.in_background()) slot_->hurry();
    if (sink_.is_spare() && slot_ && !slot_->in_use()) fail_soon(no_slot());
  }
  void on_slot() override { follow_slot(); }
  void on_slot_taken() override {
    follow_slot();
    if (sink_.is_spare()) end_spare_soon();
  }
  // A spare transfer has the rank of the background: it gets a slot that no client wants, and loses
  // the slot to any client.
  policy::SlotClients slot_clients() const override {
    return sink_.is_spare() ? policy::SlotClients() : sink_.clients();
  }
  void follow_slot() {
    if (!slot_) return;
    const bool has_slot = slot_->in_use();
    if (inner_) {
      paused_ || !has_slot ? inner_->pause() : inner_->resume();
    } else if (!has_slot) {
      leave_line();
    } else if (!is_in_line()) {
      const auto longest = sink_.is_spare() ? std::chrono::milliseconds(0) : kLongestTurn;
      take_turn(guard_.clock_.steady_now() + longest);
    }
  }

  std::vector<IpAddress> turn_clients() const override { return sink_.clients(); }
  bool on_turn(const IpAddress& client) override {
    assert(!inner_ && slot_ && slot_->in_use());
    // During the wait, another request may have got a 429 for this content or its token.
    if (auto error = guard_.why_part_not(asked_)) {
      fail_soon(*std::move(error));
      return false;
    }
    guard_.on_sent(asked_);
    turn_of_ = client;
    inner_ = start_(*this);
    assert(inner_);
    if (paused_) inner_->pause();
    sink_.on_blob_asked();
    return true;
  }
  void on_no_turn(std::chrono::milliseconds wait) override {
    leave();
    slot_.reset();
    sink_.on_blob_end(guard_.no_turn(wait));  // May destroy this.
  }
  // The slot must live until the call that took the slot is over. Meanwhile the transfer may have
  // become worth a wait.
  void end_spare_soon() {
    failing_ = guard_.timers_.after(std::chrono::milliseconds(0), [this] {
      const Handle over = std::move(failing_);
      if (!sink_.is_spare() || slot_->in_use()) return;
      leave();
      leave_line();
      inner_.reset();
      slot_.reset();
      sink_.on_blob_end(no_slot());  // May destroy this.
    });
  }
  Error no_slot() const {
    return {ErrorCode::kCancelled, guard_.name_ + ": no slot is free for a part of the blob"};
  }
  void fail_soon(Error error) {
    leave();
    slot_.reset();
    failing_ = guard_.timers_.after(std::chrono::milliseconds(0), [this, error = std::move(error)] {
      sink_.on_blob_end(error);
    });  // May destroy this.
  }
  bool was_sent() const override { return inner_ != nullptr; }
  // A blob whose first bytes came earlier is asked for again, as after any other broken transfer.
  void give_up(const Error& error) override {
    assert(!asked_.started);
    leave_line();
    inner_.reset();
    Error again = error;
    if (resumes_) again.declined = false;
    fail_soon(std::move(again));
  }
  void on_blob_start(const BlobStart& start) override {
    assert(!asked_.started);
    leave();
    asked_.started = true;
    guard_.on_ended(asked_, nullptr);
    sink_.on_blob_start(start);
  }
  void on_blob_bytes(std::string_view bytes) override {
    assert(asked_.started && slot_ && slot_->in_use());
    sink_.on_blob_bytes(bytes);
  }
  bool in_background() const override { return sink_.in_background(); }
  bool lends_slot() const override { return sink_.lends_slot(); }
  std::vector<IpAddress> clients() const override { return {turn_of_}; }
  bool is_spare() const override { return sink_.is_spare(); }
  void on_blob_end(Status status) override {
    failing_.reset();
    leave();
    slot_.reset();
    if (!status.ok()) tell_guard(status.error());
    sink_.on_blob_end(std::move(status));  // May destroy this.
  }

  // The failure of a further connection for a blob may be the fault of the further connection, so
  // it says little about upstream.
  void tell_guard(Error error) {
    const bool is_trouble =
        error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kTimedOut;
    if (sink_.is_spare() && is_trouble) error.extent = Extent::kContent;
    guard_.on_ended(asked_, &error);
  }

  const bool resumes_;
  const Start start_;
  BlobSink& sink_;
  Asked asked_;
  IpAddress turn_of_;  // The client in whose turn the newest request was sent; zeros for none.
  bool paused_ = false;
  Handle failing_;
  std::unique_ptr<BlobTransfer> inner_;
  std::unique_ptr<BlobSlots::Slot> slot_;
};

std::unique_ptr<BlobTransfer> Guard::get_blob(const std::string& repository,
                                              const oci::Digest& digest, const BlobSpan& span,
                                              BlobSink& sink) {
  return std::make_unique<Transfer>(
      *this, Asked{Ask::kBlob, repository, digest.str()}, span.offset > 0,
      [this, repository, digest, span](BlobSink& into) {
        return inner_->get_blob(repository, digest, span, into);
      },
      sink);
}

}  // namespace layby::cache
