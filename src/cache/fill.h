// SPDX-License-Identifier: Apache-2.0
//
// A fill brings one blob from upstream into the store, while any number of clients read the
// blob. Upstream's bytes are appended to the writer's file, and readers read the hashed bytes of
// this file. When the store has no room, the bytes pass through a window of memory instead, at
// the speed of the slowest reader. DESIGN.md has the state diagram. Lives on the loop thread.
//
// Invariants:
// - released_bytes_ <= written_bytes_ <= appended_bytes_ <= size_bytes_ (if known).
// - A transfer exists in kAsking and kStreaming only; the writer exists until kOver.
// - All segments are beyond appended_bytes_, and end with the download.
// - demand_ is set exactly when the fill downloads for a client and doesn't wait for slow readers.
// - left_ is set only in the background, and only while the fill is downloading.
// - room_ is set in Keeping::kAsking only.
// - A fill begins again at byte 0 at most once, and never after bytes left memory.
// - A fill ends once, and all its work ends with it.

#ifndef LAYBY_CACHE_FILL_H_
#define LAYBY_CACHE_FILL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/attempts.h"
#include "cache/background.h"
#include "cache/fill_clients.h"
#include "cache/fill_hedge.h"
#include "cache/fill_readers.h"
#include "cache/fill_state.h"
#include "cache/grant_checks.h"
#include "cache/room.h"
#include "cache/segments.h"
#include "cache/unknowns.h"
#include "cache/waiters.h"
#include "layby/cache/cache.h"
#include "layby/policy/split.h"

namespace layby::cache {

// What the fills know about the link together.
struct LinkUse {
  std::uint64_t bytes = 0;  // The bytes of all blobs that came from upstream.
  int connections = 0;      // The connections that bring blobs, as of the last tick of each fill.
  policy::SplitTrials trials;
};

class Fill final : private BlobSink,
                   private BlobWriterEvents,
                   private FillReaders::Source,
                   private Segments::Owner {
 public:
  struct Context {
    const Rules& rules;
    Store& store;
    Timers& timers;
    const Clock& clock;
    Counters& counters;
    Room& room;
    Background& background;
    GrantChecks& grant_checks;
    UnknownContent& unknown;
    events::Events& events;
    std::map<const Origin*, policy::Hedge>& hedges;
    LinkUse& link;
    // The stored content that must not be evicted to make room for a fill in the background.
    std::function<std::optional<Spare>()> spare{};
  };

  // Calls `on_over` once, when the fill has ended. `on_over` must not destroy the fill.
  Fill(const Context& context, const Origin& origin, std::string repository, oci::Digest digest,
       std::function<void(const Fill&)> on_over);
  ~Fill() override;

  // Begins the fill in the background. Each open() brings the fill to the fore, and the fill goes
  // to the background again when the last client has left.
  void start();

  // Gives a reader as soon as the size is known. For an empty blob, gives the reader after the
  // digest matches. `client` is the counted address of the client that opens the fill.
  Handle open(Cache::Done<std::unique_ptr<BlobReader>> done, const IpAddress& client);
  // Calls `done` with Ok when the blob is stored, or with an error if the blob can't be stored.
  Handle wait_stored(std::function<void(Status)> done) { return keepers_.add(std::move(done)); }
  // Whether the fetch that wanted the blob is over, and nobody else wants the blob.
  bool is_abandoned() const { return background_ && !left_ && !has_keepers(); }
  // Whether the first byte from upstream has not come.
  bool awaits_first_byte() const { return is_downloading() && !got_bytes_; }
  bool is_wanted_by(const IpAddress& client) const { return clients_.has(client); }
  bool has_keepers() const { return kept_to_end_ || keepers_.any(); }
  // Lets the fill run to its end, even if nobody waits for the blob.
  void keep_to_end() { kept_to_end_ = true; }
  // A client will soon want the blob, so the transfer has the window of a client's transfer. The
  // bytes that come while no client waits are added to `bytes`. Called right after start().
  void go_ahead(std::shared_ptr<std::uint64_t> bytes) { ahead_ = std::move(bytes); }
  // Whether the fill goes on in the background after its clients have left.
  bool was_left() const { return was_left_; }
  // Ends the fill. The written bytes stay for the next fill.
  void cancel();
  // Pauses or resumes the transfer. A transfer waits for the disk, for room and for slow readers; a
  // transfer in the background also waits for clients and for the rate.
  void update_flow();

  // Whether the fill's blob comes from `repository` of `origin`.
  bool is_for(const Origin& origin, const std::string& repository) const {
    return &origin_ == &origin && repository_ == repository;
  }
  // Whether the blob may be private.
  bool is_private() const { return origin_.keeps_private(repository_); }

  FillStatus status() const;
  std::optional<std::uint64_t> size_bytes() const { return size_bytes_; }
  std::uint64_t written_bytes() const { return written_bytes_; }
  // The bytes that the disk still has to take; 0 unless Room has admitted the fill and the size
  // is known.
  std::uint64_t reserved_bytes() const;
  // Whether a new reader can still get all bytes.
  bool can_be_joined() const { return released_bytes_ == 0; }
  // Lets all later bytes pass through memory, so that the blob will not be stored. A blob whose
  // bytes are all written already is stored nevertheless.
  void stop_keeping();

 private:
  void on_blob_asked() override { hedge_.on_asked(); }
  void on_blob_start(const BlobStart& start) override;
  void on_blob_bytes(std::string_view bytes) override;
  void on_blob_end(Status status) override;
  bool in_background() const override { return background_ && !ahead_; }
  bool lends_slot() const override { return wait_ == Wait::kLong; }
  std::vector<IpAddress> clients() const override { return clients_.addresses(); }

  void on_writer_ready(std::uint64_t kept_bytes, bool whole) override;
  void on_written(std::uint64_t total_bytes) override;
  void on_written_ahead(std::uint64_t offset, std::uint64_t end) override;
  void on_ahead_failed(const Error& reason) override;
  void on_unkept(const Error& reason) override;
  void on_verified() override;
  void on_published() override;
  void on_writer_error(Error error) override;

  std::unique_ptr<BlobTransfer> ask_segment(const BlobSpan& span, BlobSink& sink) override;
  void on_segment_bytes(std::uint64_t offset, std::string_view bytes) override;
  void on_segment_end(bool whole) override;
  std::uint64_t readable_from(std::uint64_t position, bool takes_last) const override;
  bool on_want(std::uint64_t first, std::uint64_t end) override;

  void ask();
  // Appends the bytes of the segment that the front has reached. Then goes on with the segment's
  // transfer, or asks for the bytes after the segment.
  void join();
  // Whether the fill may ask for segments now.
  bool may_split() const;
  // The end of the part that the front's transfer should be asked for; nullopt for the blob's end.
  std::optional<std::uint64_t> end_of_part() const;
  bool is_busy() const;
  void serve_wants();
  void add_spares();
  // Looks at the rate and the segments from time to time, while the fill may ask for segments.
  void tick_soon();
  void on_tick();
  // Tells the link how many connections this fill has.
  void count_connections(int connections);
  void measure();
  void end_segments();
  bool send_hedge();
  void note_progress(std::uint64_t bytes);
  void come_to_the_fore();
  void enter(FillState state);
  void enter(Keeping keeping);
  bool is_unkept() const { return keeping_ == Keeping::kUnkept; }
  std::optional<Spare> spare() const;
  void ask_for_room();
  void on_room(bool room);
  // Why the transfer is paused.
  enum class Wait {
    kNone,   // The transfer isn't paused.
    kShort,  // The transfer waits for the disk or for room.
    kLong,   // The transfer waits for slow readers, or in the background for clients or the rate.
  };
  Wait wait() const;
  // Whether bytes from upstream are still to come.
  bool is_downloading() const { return state_ <= FillState::kWaiting; }
  void on_consumed() override;
  void follow_demand();
  void on_client_left();
  void go_to_the_background();
  void follow_readers();
  std::uint64_t slowest_reader() const;
  void verify();
  void note_size(std::uint64_t size_bytes);
  // Whether the fill may fetch the blob again from byte 0, because the bytes didn't match the
  // digest.
  bool may_begin_again() const;
  void begin_again(const Error& error);
  void fail(const Error& error);
  void end(const Status& status);
  // Whether openers may have a reader. The openers of an empty blob wait for the digest, because
  // an empty blob has no last byte to hold back.
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
  FillHedge hedge_;
  Wait wait_ = Wait::kNone;
  bool beside_ = false;                      // The request for room displaces nothing in use.
  Handle room_;                              // The request for room under way.
  std::uint64_t released_bytes_ = 0;         // Bytes of an unkept blob that left memory.
  Handle following_;                         // The timer that will call follow_readers().
  std::optional<std::uint64_t> size_bytes_;  // Stated by upstream, or counted at the end.
  std::uint64_t appended_bytes_ = 0;         // Bytes given to the writer, in earlier fills too.
  std::uint64_t written_bytes_ = 0;          // Hashed bytes in the writer's file.
  std::uint64_t skip_bytes_ = 0;             // Bytes that upstream sends again.
  std::uint64_t progress_bytes_ = 0;         // Bytes since the failed attempts were last reset.
  bool got_bytes_ = false;                   // Upstream sent bytes that were missing.
  bool continued_ = false;                   // The bytes come from several transfers.
  std::optional<std::uint64_t> asked_end_;   // The end of the part that the transfer was asked for.
  bool taken_over_ = false;                  // The transfer was a segment's, so it is no attempt.
  std::uint64_t arrived_bytes_ = 0;          // All bytes from upstream, in order or ahead.
  bool held_back_ = false;                   // Readers get no byte before the digest matches.
  bool began_again_ = false;                 // See begin_again().
  bool was_left_ = false;                    // See was_left().
  bool background_ = true;                   // No client waits for the fill.
  bool began_in_background_ = true;          // The transfer has the background's small window.
  bool kept_to_end_ = false;                 // See keep_to_end().
  std::shared_ptr<std::uint64_t> ahead_;     // See go_ahead(). Null for any other fill.
  std::optional<Background::Demand> demand_;  // Clients wait for the fill's bytes.
  std::optional<Background::Left> left_;      // The clients left, and the fill goes on.
  Handle leaving_;                            // The timer that will call go_to_the_background().
  std::optional<Error> unkept_reason_;
  Waiters<Status> openers_;  // Callers of open() that wait for a reader.
  Waiters<Status> keepers_;  // Callers of wait_stored().
  Segments segments_;
  policy::Split split_;
  Handle ticking_;  // The timer of on_tick().
  int counted_connections_ = 0;
  FillReaders readers_;
  FillClients clients_;  // The clients of the openers and readers.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILL_H_
