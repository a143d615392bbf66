// SPDX-License-Identifier: Apache-2.0
//
// One blob on its way from upstream into the store, while any number of clients read it.
// The writer's file is the only copy: upstream's bytes are appended to it, and readers send
// its hashed bytes. When the store has no room, the bytes pass through a window of memory
// instead, as fast as the slowest reader. DESIGN.md has the state diagram. Lives on the loop
// thread.
//
// Invariants:
// - released_bytes_ <= written_bytes_ <= appended_bytes_ <= size_bytes_, if known.
// - A transfer exists in kAsking and kStreaming only; the writer exists until kOver.
// - demand_ is set while a fill that a client opened is downloading, and only then.
// - room_ is set in Keeping::kAsking only.
// - A fill ends once, and nothing of it goes on after that.

#ifndef LAYBY_CACHE_FILL_H_
#define LAYBY_CACHE_FILL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cache/attempts.h"
#include "cache/background.h"
#include "cache/fill_readers.h"
#include "cache/grant_checks.h"
#include "cache/room.h"
#include "cache/waiters.h"
#include "layby/cache/cache.h"

namespace layby::cache {

enum class FillState {
  kOpening,     // The writer opens the file and hashes what an earlier fill left in it.
  kAsking,      // Upstream was asked for the bytes that are missing.
  kStreaming,   // The missing bytes come in.
  kWaiting,     // Upstream failed; it is asked again after a while.
  kVerifying,   // All bytes are there; the writer compares the digest.
  kPublishing,  // The digest holds. Readers may finish while the writer syncs and publishes.
  kOver,        // Published, or given up. The table has forgotten the fill.
};

std::string_view to_string(FillState state);

// Whether the blob's bytes go to the disk.
enum class Keeping {
  kUndecided,  // They do. Room was not asked: upstream has not begun to send.
  kAsking,     // They do. Room was asked, and the transfer waits for the answer.
  kAdmitted,   // They do. There is room for all of them.
  kStopping,   // The writer was told to stop, and reports on_unkept at its next write. A blob
               // that needs no further write is stored.
  kUnkept,     // They pass through memory, and the blob will not be stored.
};

class Fill final : private BlobSink, private BlobWriterEvents, private FillReaders::Source {
 public:
  struct Context {
    const Rules& rules;
    Store& store;
    Timers& timers;
    Counters& counters;
    Room& room;
    Background& background;
    GrantChecks& grant_checks;
    events::Events& events;
  };

  // Calls `on_over` once, when the fill has ended. `on_over` must not destroy the fill.
  Fill(const Context& context, const Origin& origin, std::string repository, oci::Digest digest,
       std::function<void(const Fill&)> on_over);
  ~Fill() override;

  // Begins in the background. The first open() brings the fill to the fore.
  void start();

  // Gives a reader as soon as the size is known.
  Handle open(Cache::Done<std::unique_ptr<BlobReader>> done);
  // Calls `done` when the blob is stored, or with the reason why it is not.
  Handle wait_stored(std::function<void(Status)> done) { return keepers_.add(std::move(done)); }
  // Whether no client has opened it.
  bool is_background() const { return background_; }
  bool has_keepers() const { return kept_to_end_ || keepers_.any(); }
  // Lets the fill run to its end, even if nobody waits for it.
  void keep_to_end() { kept_to_end_ = true; }
  // Ends the fill. The written bytes stay for the next fill.
  void cancel();
  // Pauses or resumes the transfer. It waits for the disk, for room, for slow readers, and
  // for clients that go first.
  void update_flow();

  // Whether it asks this origin for this repository.
  bool is_for(const Origin& origin, const std::string& repository) const {
    return &origin_ == &origin && repository_ == repository;
  }
  // Whether its content may be private.
  bool is_private() const { return origin_.keeps_private(repository_); }

  FillStatus status() const;
  std::optional<std::uint64_t> size_bytes() const { return size_bytes_; }
  std::uint64_t written_bytes() const { return written_bytes_; }
  // The bytes that the disk has still to take; 0 before Room has admitted the fill, and
  // while the size isn't known.
  std::uint64_t reserved_bytes() const;
  // Whether a new reader can still have all bytes.
  bool can_be_joined() const { return released_bytes_ == 0; }
  // Later bytes pass through memory, and the blob will not be stored.
  void stop_keeping();

 private:
  void on_blob_start(const BlobStart& start) override;
  void on_blob_bytes(std::string_view bytes) override;
  void on_blob_end(Status status) override;
  bool in_background() const override { return background_; }

  void on_writer_ready(std::uint64_t kept_bytes, bool whole) override;
  void on_written(std::uint64_t total_bytes) override;
  void on_unkept(const Error& reason) override;
  void on_verified() override;
  void on_published() override;
  void on_writer_error(Error error) override;

  void ask();
  void come_to_the_fore();
  void enter(FillState state);
  void enter(Keeping keeping);
  bool is_unkept() const { return keeping_ == Keeping::kUnkept; }
  void ask_for_room();
  void on_room(bool room);
  bool must_wait() const;
  // Whether bytes from upstream are still to come.
  bool is_downloading() const { return state_ <= FillState::kWaiting; }
  void on_consumed() override;
  void follow_readers();
  std::uint64_t slowest_reader() const;
  void verify();
  void fail(const Error& error);
  void end(const Status& status);
  // Whether openers may have a reader. An empty blob has no last byte to hold back, so its
  // openers wait for the digest.
  bool may_announce() const;
  void announce();
  bool verified() const { return state_ == FillState::kPublishing; }
  std::uint64_t readable_bytes() const override;
  std::string name() const;
  events::Subject subject() const;

  const Context& context_;
  const Origin& origin_;
  const std::string repository_;
  const oci::Digest digest_;
  const std::function<void(const Fill&)> on_over_;

  FillState state_ = FillState::kOpening;
  Keeping keeping_ = Keeping::kUndecided;
  std::unique_ptr<BlobWriter> writer_;
  std::unique_ptr<BlobTransfer> transfer_;
  Attempts attempts_;
  bool paused_ = false;                      // The transfer is paused.
  Handle room_;                              // The request for room under way.
  std::uint64_t released_bytes_ = 0;         // Of a blob that isn't kept: gone from memory.
  Handle following_;                         // follow_readers() is due.
  std::optional<std::uint64_t> size_bytes_;  // Known once upstream stated it, or all bytes came.
  std::uint64_t appended_bytes_ = 0;         // Given to the writer, kept bytes included.
  std::uint64_t written_bytes_ = 0;          // In the writer's file and hashed.
  std::uint64_t skip_bytes_ = 0;             // Upstream sends these again; the writer has them.
  bool background_ = true;
  bool kept_to_end_ = false;                  // See keep_to_end().
  std::optional<Background::Demand> demand_;  // Clients wait for its bytes.
  std::optional<Error> unkept_reason_;
  Waiters<Status> openers_;  // Wait for a reader.
  Waiters<Status> keepers_;  // Wait until the blob is stored.
  FillReaders readers_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILL_H_
