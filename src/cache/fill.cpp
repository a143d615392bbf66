// SPDX-License-Identifier: Apache-2.0
//
// The transitions of a fill; fill_flow.cpp says when its transfer pauses. on_blob_end() handles a
// failed transfer; on_unkept() and on_writer_error() handle a failed disk. fail() gives up when
// nothing is left to try. The written bytes stay for the next fill of the blob, unless the bytes
// are corrupt.

#include "cache/fill.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "cache/subject.h"
#include "layby/policy/retry.h"

namespace layby::cache {
namespace {

// This many bytes come within seconds. When no more bytes are missing, readers can wait for the
// digest.
constexpr std::uint64_t kSoonThere = 4 << 20;

// Blobs that are fetched ahead displace no content that was used within this time.
constexpr std::chrono::hours kSparedByAhead{24};

}  // namespace

Fill::Fill(const Context& context, const Origin& origin, std::string repository, oci::Digest digest,
           std::function<void(const Fill&)> on_over)
    : context_(context),
      origin_(origin),
      repository_(std::move(repository)),
      digest_(std::move(digest)),
      on_over_(std::move(on_over)),
      attempts_(context.rules.retry, context.timers, context.counters),
      hedge_(context.hedges[&origin], context.timers, context.clock, context.counters,
             [this] { return send_hedge(); }),
      segments_(*this, *this),
      split_(context.rules.split, origin.connections_per_blob, context.link.trials,
             context.clock.steady_now()),
      readers_(*this),
      clients_([this] { on_client_left(); }) {}

Fill::~Fill() {
  count_connections(0);
  readers_.dismiss(Error{ErrorCode::kCancelled, "the cache is shutting down"}, readable_bytes());
}

// The demand ends with the download, because clients then need no more bytes from upstream.
void Fill::enter(FillState state) {
  assert(may_follow(state_, state));
  state_ = state;
  if (!is_downloading()) {
    left_.reset();
    end_segments();
  }
  follow_demand();
}

// `keeping_` only moves forward, in the order of the enum. kAdmitted follows only kAsking.
void Fill::enter(Keeping keeping) {
  assert(keeping_ < keeping);
  assert(keeping != Keeping::kAdmitted || keeping_ == Keeping::kAsking);
  assert(keeping == Keeping::kAsking || !room_);
  keeping_ = keeping;
}

void Fill::start() {
  assert(state_ == FillState::kOpening && !writer_);
  count(context_.counters.fills_started);
  writer_ = context_.store.write_blob(digest_, *this);
}

Handle Fill::open(Cache::Done<std::unique_ptr<BlobReader>> done, const IpAddress& client) {
  assert(state_ != FillState::kOver && can_be_joined());
  auto give = [this, done = std::move(done), stay = clients_.add(client)](const Status& status) {
    if (!status.ok()) return done(status.error());
    assert(writer_ && may_announce());
    done(readers_.add(writer_->file(), *size_bytes_, stay));
  };
  was_left_ = false;
  if (std::exchange(background_, false)) come_to_the_fore();
  if (transfer_ && wait_ == Wait::kNone) transfer_->resume();  // clients() may have changed.
  hedge_.on_newcomer();
  if (!may_announce()) return openers_.add(std::move(give));
  give(Status());
  return nullptr;
}

FillStatus Fill::status() const {
  return {origin_.name, repository_,      digest_.str(), to_string(state_), written_bytes_,
          size_bytes_,  readers_.count(), !is_unkept(),  background_};
}

void Fill::on_writer_ready(std::uint64_t kept_bytes, bool whole) {
  assert(state_ == FillState::kOpening && (!size_bytes_ || began_again_));
  appended_bytes_ = written_bytes_ = kept_bytes;
  readers_.go_on_in(writer_->file());
  if (kept_bytes > 0) {
    count(context_.counters.fills_resumed);
    context_.events.tell(events::FillResumed{subject(), kept_bytes, whole});
  }
  if (whole) return verify();
  ask();
}

void Fill::ask() {
  assert(is_downloading() && !transfer_);
  if (segments_.first() == appended_bytes_) return join();
  wait_ = Wait::kNone;
  taken_over_ = false;
  asked_end_ = end_of_part();
  hedge_.stop();
  if (appended_bytes_ > 0) continued_ = true;
  enter(FillState::kAsking);
  began_in_background_ = in_background();
  transfer_ =
      origin_.upstream->get_blob(repository_, digest_, {appended_bytes_, asked_end_}, *this);
  if (background_) update_flow();  // The transfer waits if clients need the link.
}

void Fill::on_blob_start(const BlobStart& start) {
  if (state_ == FillState::kOver) return;
  assert(state_ == FillState::kAsking);
  hedge_.on_answer(start.by_hedge);
  if (start.size_bytes && size_bytes_ && *start.size_bytes != *size_bytes_) {
    return fail({ErrorCode::kCorrupt, name() + ": upstream changed the blob's size from " +
                                          std::to_string(*size_bytes_) + " to " +
                                          std::to_string(*start.size_bytes)});
  }
  if (start.offset > appended_bytes_) {
    return fail({ErrorCode::kCorrupt, name() + ": upstream left out bytes"});
  }
  if (start.size_bytes && *start.size_bytes < appended_bytes_) {
    // An earlier fill left more bytes than the blob has. The digest won't match, and the
    // writer drops the kept bytes.
    transfer_.reset();
    return verify();
  }
  context_.grant_checks.note_granted(origin_, repository_, digest_);
  if (start.size_bytes) note_size(*start.size_bytes);
  if (start.offset < appended_bytes_) asked_end_.reset();  // Upstream sends the whole blob.
  skip_bytes_ = appended_bytes_ - start.offset;
  enter(FillState::kStreaming);
  ask_for_room();
  if (state_ == FillState::kOver) return;  // There was no room.
  update_flow();
  tick_soon();
  announce();
}

// No reader exists before the size is known, so all bytes can still be held back. An earlier
// transfer may have left wrong bytes, and a reader that got wrong bytes would have to fail.
void Fill::note_size(std::uint64_t size_bytes) {
  if (size_bytes_) return;
  size_bytes_ = size_bytes;
  held_back_ = continued_ && !is_unkept() && size_bytes - appended_bytes_ <= kSoonThere;
}

// What the blob must not displace. A blob that a client waits for may displace anything.
std::optional<Spare> Fill::spare() const {
  if (!background_) return std::nullopt;
  auto spare = context_.spare ? context_.spare() : std::nullopt;
  if (!spare && ahead_) spare = Spare{{}, context_.clock.wall_now() - kSparedByAhead};
  return spare;
}

// A blob of unknown size is admitted when there is any room at all. A fill asks once, and the
// answer counts for all its transfers.
void Fill::ask_for_room() {
  if (keeping_ != Keeping::kUndecided) return;
  enter(Keeping::kAsking);
  const std::uint64_t new_bytes = size_bytes_ ? *size_bytes_ - appended_bytes_ : 0;
  auto answer = [this](bool room) { on_room(room); };
  const auto spare = this->spare();
  beside_ = spare.has_value();
  room_ = spare ? context_.room.make_beside(*spare, new_bytes, std::move(answer))
                : context_.room.make(new_bytes, std::move(answer));
}

void Fill::on_room(bool room) {
  assert(keeping_ == Keeping::kAsking && state_ != FillState::kOver);
  if (!room && beside_ && background_) {
    const Error error{ErrorCode::kNoSpace, name() +
                                               ": there is no room for it beside the prefetch list "
                                               "and the content that clients use"};
    // Nobody has asked for a blob that is fetched ahead, so nothing has failed.
    return ahead_ ? end(error) : fail(error);
  }
  if (!room) return stop_keeping();
  room_.reset();
  enter(Keeping::kAdmitted);
  update_flow();
  serve_wants();
  tick_soon();
}

void Fill::stop_keeping() {
  if (keeping_ >= Keeping::kStopping || state_ == FillState::kOver) return;
  room_.reset();
  enter(Keeping::kStopping);
  writer_->stop_keeping();
  end_segments();
  update_flow();
}

std::uint64_t Fill::reserved_bytes() const {
  assert(!size_bytes_ || written_bytes_ <= *size_bytes_);
  return keeping_ == Keeping::kAdmitted && size_bytes_ ? *size_bytes_ - written_bytes_ : 0;
}

void Fill::on_blob_bytes(std::string_view bytes) {
  if (state_ != FillState::kStreaming) return;
  const auto skipped = std::min<std::uint64_t>(skip_bytes_, bytes.size());
  skip_bytes_ -= skipped;
  bytes.remove_prefix(skipped);
  if (bytes.empty()) return;
  const auto stop = segments_.stop_of(appended_bytes_ + bytes.size());
  if (stop) bytes = bytes.substr(0, *stop - appended_bytes_);
  if (size_bytes_ && bytes.size() > *size_bytes_ - appended_bytes_) {
    return fail({ErrorCode::kCorrupt, name() + ": upstream sent more than it announced"});
  }
  note_progress(bytes.size());
  if (background_) context_.background.spend(bytes.size());
  if (background_ && !left_) {
    count(context_.counters.prefetched_bytes, bytes.size());
    if (ahead_) {
      count(context_.counters.ahead_bytes, bytes.size());
      *ahead_ += bytes.size();
    }
  }
  arrived_bytes_ += bytes.size();
  context_.link.bytes += bytes.size();
  appended_bytes_ += bytes.size();
  if (asked_end_ && appended_bytes_ > *asked_end_) asked_end_.reset();
  assert(!size_bytes_ || appended_bytes_ <= *size_bytes_);
  writer_->append(bytes);
  // A transfer that was asked for these bytes only ends by itself, so its connection stays open.
  if (stop && stop != asked_end_) return join();
  update_flow();
}

void Fill::note_progress(std::uint64_t bytes) {
  got_bytes_ = true;
  progress_bytes_ += bytes;
  if (!policy::is_real_progress(progress_bytes_, size_bytes_)) return;
  progress_bytes_ = 0;
  attempts_.on_progress();
}

void Fill::on_blob_end(Status status) {
  if (state_ == FillState::kOver) return;
  assert(state_ == FillState::kAsking || state_ == FillState::kStreaming);
  transfer_.reset();
  hedge_.stop();
  const bool whole = size_bytes_ ? appended_bytes_ == *size_bytes_ : status.ok();
  if (whole) return verify();
  if (status.ok() && appended_bytes_ == asked_end_) return ask();
  const Error error =
      status.ok() ? Error{ErrorCode::kUnavailable, name() + ": upstream ended the blob early"}
                  : status.error();
  const bool rejected = error.code == ErrorCode::kInvalid || error.code == ErrorCode::kCorrupt;
  // Upstream may have rejected the range. While the size is unknown, the digest decides, because
  // an earlier fill may have left the whole blob, too many bytes, or wrong bytes. When the size
  // is known, the kept bytes are a part of the blob, and stay for the next fill.
  const bool asked_behind_kept = state_ == FillState::kAsking && appended_bytes_ > 0;
  if (rejected && asked_behind_kept && !size_bytes_) return verify();
  enter(FillState::kWaiting);
  const bool retried = taken_over_ ? attempts_.retry_uncounted(error, [this] { ask(); })
                                   : attempts_.retry(error, [this] { ask(); });
  if (!retried) return fail(error);
  if (appended_bytes_ > 0) count(context_.counters.fills_resumed);
  context_.events.tell(events::FillRetried{subject(), error, appended_bytes_});
}

void Fill::verify() {
  assert(is_downloading() && !transfer_);
  enter(FillState::kVerifying);
  if (!size_bytes_) size_bytes_ = appended_bytes_;
  assert(*size_bytes_ == appended_bytes_);
  writer_->finish();
}

void Fill::on_written(std::uint64_t total_bytes) {
  if (state_ == FillState::kOver) return;
  assert(written_bytes_ <= total_bytes && total_bytes <= appended_bytes_);
  written_bytes_ = total_bytes;
  if (is_unkept() && !size_bytes_ && written_bytes_ >= context_.rules.max_unkept_bytes) {
    return fail({ErrorCode::kNoSpace, name() + ": there is no room for it, and upstream doesn't "
                                               "say how large it is; free some space"});
  }
  update_flow();
  if (state_ == FillState::kJoining) join();
  if (!held_back_) readers_.tell();
}

// Present readers go on, and new readers may come. Callers of wait_stored() get `reason` at the
// fill's end.
void Fill::on_unkept(const Error& reason) {
  if (state_ == FillState::kOver) return;
  assert(!verified());
  room_.reset();
  held_back_ = false;  // Memory has room for a part of the blob only, so readers must read on.
  enter(Keeping::kUnkept);
  end_segments();
  unkept_reason_ = reason;
  count(context_.counters.fills_unkept);
  context_.events.tell(events::FillUnkept{subject(), reason});
  on_consumed();
}

void Fill::on_verified() {
  if (state_ == FillState::kOver) return;
  assert(state_ == FillState::kVerifying && written_bytes_ == *size_bytes_);
  enter(FillState::kPublishing);
  announce();
  readers_.tell();
  if (is_unkept() && state_ != FillState::kOver) end(Status());
}

void Fill::on_published() {
  assert(verified() && !is_unkept());
  count(context_.counters.fills_published);
  context_.events.tell(events::BlobPublished{subject(), *size_bytes_});
  end(Status());
}

void Fill::on_writer_error(Error error) {
  if (state_ == FillState::kOver) return;
  if (error.code == ErrorCode::kCorrupt) count(context_.counters.digest_mismatches);
  if (!verified()) {
    const bool corrupt = error.code == ErrorCode::kCorrupt;
    return corrupt && may_begin_again() ? begin_again(error) : fail(error);
  }
  // Readers have the whole, verified blob in an open file. Only callers of wait_stored() get
  // `error`.
  context_.events.tell(events::NotStored{subject(), error});
  count(context_.counters.fills_failed);
  unkept_reason_ = error;
  end(Status());
}

bool Fill::may_begin_again() const {
  const bool waits = openers_.any() || has_keepers() || (held_back_ && readers_.any());
  return waits && continued_ && !began_again_ && can_be_joined() && keeping_ <= Keeping::kAdmitted;
}

// The writer has deleted the wrong bytes. Askers, and readers that got no byte, wait on.
void Fill::begin_again(const Error& error) {
  assert(state_ == FillState::kVerifying && !transfer_ && released_bytes_ == 0);
  const bool readers_stay = std::exchange(held_back_, false) && readers_.any();
  const std::uint64_t readable = readers_stay ? 0 : readable_bytes();
  began_again_ = true;
  continued_ = got_bytes_ = false;
  appended_bytes_ = written_bytes_ = skip_bytes_ = progress_bytes_ = 0;
  if (!readers_stay) size_bytes_.reset();
  context_.events.tell(events::FillRetried{subject(), error, 0});
  enter(FillState::kOpening);
  writer_.reset();
  writer_ = context_.store.write_blob(digest_, *this);
  on_client_left();  // The last client may have left during the check of the digest.
  if (!readers_stay) readers_.dismiss(error, readable);
}

void Fill::cancel() { end(Error{ErrorCode::kCancelled, name() + ": stopped"}); }

void Fill::fail(const Error& error) {
  if (is_refusal(error)) context_.unknown.note({&origin_, name()}, error);
  count(context_.counters.fills_failed);
  context_.events.tell(events::FillFailed{subject(), error});
  end(error);
}

void Fill::end(const Status& status) {
  assert(state_ != FillState::kOver);
  assert(!status.ok() || (verified() && !openers_.any()));
  const std::uint64_t readable = status.ok() ? *size_bytes_ : readable_bytes();
  enter(FillState::kOver);
  // All work ends before anyone is told, because a callback below may begin the next fill of this
  // blob. The next fill's writer must be the only writer of the blob's file.
  attempts_.cancel();
  hedge_.stop();
  room_.reset();
  ticking_.reset();
  following_.reset();
  leaving_.reset();
  transfer_.reset();
  writer_.reset();
  // The table forgets the fill before readers hear of its end, because a client may ask again at
  // once.
  on_over_(*this);
  openers_.settle(status);
  keepers_.settle(unkept_reason_ ? Status(*unkept_reason_) : status);
  readers_.dismiss(status, readable);
}

bool Fill::may_announce() const {
  if (!size_bytes_ || state_ == FillState::kOver || state_ == FillState::kOpening) return false;
  return verified() || *size_bytes_ > 0;
}

void Fill::announce() {
  if (may_announce()) openers_.settle(Status());
}

std::uint64_t Fill::readable_bytes() const {
  if (!size_bytes_) return 0;
  if (verified()) return *size_bytes_;
  if (held_back_) return 0;
  return *size_bytes_ == 0 ? 0 : std::min(written_bytes_, *size_bytes_ - 1);
}

events::Subject Fill::subject() const { return subject_of(origin_, repository_, digest_); }

std::string Fill::name() const { return repository_ + "@" + digest_.str(); }

}  // namespace layby::cache
