// SPDX-License-Identifier: Apache-2.0
//
// One blob on its way from upstream into the store, read meanwhile by any number of
// clients. The writer's file is the only copy: upstream's bytes go in at its end,
// readers send from it what is already hashed. Where the store has no room the bytes
// pass through a window of memory instead, as fast as the slowest reader. The state
// diagram is in DESIGN.md. Lives on the loop thread.

#ifndef LAYBY_CACHE_FILL_H_
#define LAYBY_CACHE_FILL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/attempts.h"
#include "cache/background.h"
#include "cache/permits.h"
#include "cache/room.h"
#include "cache/waiters.h"
#include "layby/cache/cache.h"

namespace layby::cache {

enum class FillState {
  kOpening,     // The writer opens the file and hashes what an earlier fill left in it.
  kAsking,      // Upstream was asked for the bytes that are missing.
  kStreaming,   // They come in.
  kWaiting,     // Upstream failed; it is asked again after a while.
  kVerifying,   // All bytes are there; the writer compares the digest.
  kPublishing,  // The digest holds; readers may end while the writer syncs and publishes.
  kOver,        // Published, or given up. The table forgets it.
};

std::string_view to_string(FillState state);

class FillReader;

class Fill final : private BlobSink, private BlobWriterEvents {
 public:
  struct Context {
    const Rules& rules;
    Store& store;
    Timers& timers;
    Counters& counters;
    Room& room;
    Background& background;
    Permits& permits;
  };

  // `on_over` is called once, when it has ended; it must not destroy the fill.
  Fill(const Context& context, const Origin& origin, std::string repository, oci::Digest digest,
       std::function<void(const Fill&)> on_over);
  ~Fill() override;

  // In the background until somebody opens it.
  void start();

  // Gives a reader as soon as the size is known.
  Handle open(Cache::Done<std::unique_ptr<BlobReader>> done);
  // Calls `done` when it is stored, or why it is not.
  Handle wait_stored(std::function<void(Status)> done) { return keepers_.add(std::move(done)); }
  // Whether it goes on for nobody but those that wait_stored().
  bool is_background() const { return background_; }
  bool has_keepers() const { return kept_to_end_ || keepers_.any(); }
  // It goes on when none of those is left.
  void keep_to_end() { kept_to_end_ = true; }
  // Ends it; what came stays for the next fill.
  void cancel();
  // Lets upstream send, or wait: for the disk, for room, for readers, for clients that
  // come first.
  void update_flow();

  // Whether what it gets is upstream's answer to this repository.
  bool is_for(const Origin& origin, const std::string& repository) const {
    return &origin_ == &origin && repository_ == repository;
  }
  // Whether that may be nobody else's to have.
  bool is_guarded() const { return origin_.guards(repository_); }

  FillStatus status() const;
  std::optional<std::uint64_t> size_bytes() const { return size_bytes_; }
  std::uint64_t written_bytes() const { return written_bytes_; }
  // What the disk has still to take; 0 while the size isn't known.
  std::uint64_t reserved_bytes() const;
  // Whether someone who comes now can still have all of it.
  bool can_be_joined() const { return released_bytes_ == 0; }
  // Bytes from now on pass through.
  void stop_keeping();

 private:
  friend class FillReader;

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
  void ask_for_room();
  bool must_wait() const;
  // Whether bytes of upstream are still to come.
  bool is_downloading() const { return state_ <= FillState::kWaiting; }
  void on_consumed();
  void follow_readers();
  std::uint64_t slowest_reader() const;
  void verify();
  void fail(const Error& error);
  void end(const Status& status);
  // An empty blob has no last byte to hold back, so its headers wait for the digest.
  bool may_announce() const;
  void announce();
  void tell_readers();
  // No more will come; what is readable now stays so.
  void dismiss_readers(const Status& status, std::uint64_t readable_bytes);
  void leave(FillReader* reader);
  bool verified() const { return state_ == FillState::kPublishing; }
  std::uint64_t readable_bytes() const;
  std::string name() const;

  const Context& context_;
  const Origin& origin_;
  const std::string repository_;
  const oci::Digest digest_;
  const std::function<void(const Fill&)> on_over_;

  FillState state_ = FillState::kOpening;
  std::unique_ptr<BlobWriter> writer_;
  std::unique_ptr<BlobTransfer> transfer_;
  Attempts attempts_;
  bool paused_ = false;                      // The transfer waits.
  bool admitted_ = false;                    // There is room for all of it.
  Handle room_;                              // Being asked for.
  bool unkept_ = false;                      // It will not be stored.
  std::uint64_t released_bytes_ = 0;         // Of one that isn't kept: gone from memory.
  Handle following_;                         // follow_readers() is due.
  std::optional<std::uint64_t> size_bytes_;  // Known once upstream has said it.
  std::uint64_t appended_bytes_ = 0;         // Given to the writer, kept ones included.
  std::uint64_t written_bytes_ = 0;          // In the file and hashed.
  std::uint64_t skip_bytes_ = 0;             // Upstream sends these again; they are there.
  bool background_ = true;
  bool kept_to_end_ = false;
  std::optional<Background::Demand> demand_;  // While clients wait for its bytes.
  std::optional<Error> unkept_reason_;
  Waiters<Status> openers_;
  Waiters<Status> keepers_;
  std::vector<FillReader*> readers_;  // A null is one who left while being told.
  bool telling_ = false;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILL_H_
