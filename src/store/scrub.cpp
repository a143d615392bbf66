// SPDX-License-Identifier: Apache-2.0
//
// A walk checks one blob at a time. When another walk begins, the step that is under way is
// cancelled. An open cursor would keep LMDB from reusing old pages, so a short transaction reads up
// to 256 digests ahead.

#include "store/scrub.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "layby/base/log.h"

namespace layby::store {
namespace {

constexpr std::size_t kAhead = 256;

// Each save of the position writes a few pages. After a crash, the blobs checked after the last
// save are read again.
constexpr std::uint64_t kSaveEveryBlobs = 512;
constexpr std::uint64_t kSaveEveryBytes = 1 << 30;
constexpr std::chrono::seconds kBusyWait{1};
constexpr std::uint64_t kBusyBytesPerSecond = 1 << 20;

// Marks all partial files and manifests as private in an index that was made anew. The manifests
// came back from a ledger that may have lost their grants.
Status mark_rest_private(const Core& core, WriteTxn& txn) {
  if (!core.marks_private()) return {};
  std::vector<oci::Digest> rest;
  for (PartialFile& partial : core.files.list_partials(WallTime())) {
    rest.push_back(std::move(partial.digest));
  }
  Status read = txn.each_manifest([&rest](const oci::Digest& digest, const ManifestRecord&) {
    rest.push_back(digest);
    return true;
  });
  if (!read) return read;
  for (const oci::Digest& digest : rest) {
    if (Status marked = txn.mark_private(digest); !marked) return marked;
  }
  return {};
}

// A damaged note counts as absent.
Result<std::optional<ScrubNote>> read_note(Core& core) {
  Result<ReadTxn> txn = core.commits->index().snapshot();
  if (!txn) return std::move(txn).error();
  auto note = txn->find_note(Index::kScrubNote);
  if (!note) return std::move(note).error();
  if (!note->has_value()) return std::optional<ScrubNote>();
  const Result<ScrubNote> decoded = decode_scrub(**note);
  return decoded ? std::optional(*decoded) : std::optional<ScrubNote>();
}

// Up to kAhead digests of the index that follow `after`; empty at the end of the index.
Result<std::vector<oci::Digest>> list_blobs(Core& core, const std::optional<oci::Digest>& after) {
  std::vector<oci::Digest> digests;
  Result<ReadTxn> txn = core.commits->index().snapshot();
  if (!txn) return std::move(txn).error();
  const Status read = txn->each_blob(after, [&](const oci::Digest& digest, const BlobRecord&) {
    digests.push_back(digest);
    return digests.size() < kAhead;
  });
  if (!read) return read.error();
  return digests;
}

struct ShelfFiles {
  std::vector<oci::Digest> unknown;  // Files in the shelf that aren't in the index.
  int next_shelf = 0;
};

// Reads the first shelf with files, beginning at `shelf`. A store without blobs has 512 empty
// shelves, and one step for each shelf would take long.
ShelfFiles list_files(Core& core, int shelf) {
  std::vector<oci::Digest> files;
  while (files.empty() && shelf < 2 * BlobFiles::kShelves) {
    const ShaKind kind = shelf < BlobFiles::kShelves ? ShaKind::kSha256 : ShaKind::kSha512;
    files = core.files.list_shelf(kind, shelf++ % BlobFiles::kShelves);
  }
  Result<ReadTxn> txn = core.commits->index().snapshot();
  std::erase_if(files, [&txn](const oci::Digest& digest) {
    const auto known = txn ? txn->find_blob(digest) : std::optional<BlobRecord>();
    return known && known->has_value();
  });
  return {std::move(files), shelf};
}

}  // namespace

Scrub::Scrub(const ScrubOptions& options, Context context)
    : options_(options),
      context_(std::move(context)),
      pass_began_(context_.clock.wall_now()),
      traffic_seen_at_(context_.clock.steady_now()),
      paced_until_(context_.clock.steady_now()) {}

// Saves the position, so that the next process resumes here.
Scrub::~Scrub() {
  if (state_ == State::kPass && unsaved_blobs_ > 0) save();
}

void Scrub::enter(State state) {
  [[maybe_unused]] const auto may_follow = [this, state] {
    if (state == State::kFiles) return true;  // A new index may need the files at any time.
    switch (state_) {
      case State::kWaiting:
        return state == State::kStarting || state == State::kPass;
      case State::kStarting:
        return state == State::kWaiting || state == State::kPass;
      case State::kFailed:
        return state == State::kPass;
      case State::kFiles:
        return state == State::kFilesDone;
      case State::kFilesDone:
        return state == State::kWaiting;
      case State::kPass:
        return state == State::kPass || state == State::kWaiting || state == State::kFailed;
    }
    return false;
  };
  assert(may_follow());
  state_ = state;
}

// Runs `ask` on a helper thread. Then runs `take` with the answer on the loop thread, unless
// another walk has begun.
template <typename Ask, typename Take>
void Scrub::ask_helper(Ask ask, Take take) {
  context_.workers.submit_long([core = context_.core, ask, take = walk_->guard(std::move(take))] {
    core->loop.post([take, answer = ask(*core)]() mutable { take(answer); });
  });
}

void Scrub::start() {
  if (context_.core->commits->index().needs_rebuild()) return begin_files();
  enter(State::kStarting);
  ask_helper(read_note, [this](const Result<std::optional<ScrubNote>>& note) {
    if (note) return resume(*note);
    count(context_.core->counters.store_errors);
    log::error("can't read the note of the check of stored blobs: {}", note.error().message);
    enter(State::kWaiting);
    wait_for_next_pass();
  });
}

void Scrub::resume(const std::optional<ScrubNote>& note) {
  assert(state_ == State::kStarting);
  if (note) {
    pass_began_ = note->began;
    pass_ended_ = note->ended;
    last_ = done_ = note->last;
  }
  if (last_) {
    enter(State::kPass);
    return next();
  }
  enter(State::kWaiting);
  if (!note) save();
  wait_for_next_pass();
}

void Scrub::run_now() {
  on_demand_ = true;
  if (state_ == State::kFiles || state_ == State::kFilesDone) return;
  begin_pass();
}

cache::ScrubStatus Scrub::status() const {
  cache::ScrubStatus status;
  // A failed pass will begin again, so it counts as running.
  status.running = state_ != State::kWaiting && state_ != State::kStarting;
  status.rebuilding = state_ == State::kFiles || state_ == State::kFilesDone;
  status.on_demand = on_demand_;
  status.checked_blobs = checked_blobs_;
  status.checked_bytes = checked_bytes_;
  status.bad_blobs = bad_blobs_;
  status.last_ended = pass_ended_;
  return status;
}

void Scrub::begin_walk(State walk) {
  assert(walk == State::kFiles || walk == State::kPass);
  enter(walk);
  walk_.emplace();
  timer_.reset();
  check_.reset();
  ahead_.clear();
  last_.reset();
  done_.reset();
  checked_blobs_ = checked_bytes_ = bad_blobs_ = unsaved_blobs_ = unsaved_bytes_ = 0;
}

void Scrub::begin_pass() {
  begin_walk(State::kPass);
  pass_began_ = context_.clock.wall_now();
  next();
}

void Scrub::begin_files() {
  log::info("rebuilding the index from the blob files");
  begin_walk(State::kFiles);
  shelf_ = 0;
  generation_ = context_.core->commits->index().generation();
  next();
}

void Scrub::next() {
  assert((state_ == State::kFiles || state_ == State::kPass) && !check_);
  if (ahead_.empty()) return state_ == State::kFiles ? refill_from_files() : refill_from_index();
  const oci::Digest digest = ahead_.front();
  ahead_.pop_front();
  check(digest);
}

void Scrub::refill_from_files() {
  assert(ahead_.empty() && shelf_ <= 2 * BlobFiles::kShelves);
  if (shelf_ == 2 * BlobFiles::kShelves) return end_files();
  const auto list = [shelf = shelf_](Core& core) { return list_files(core, shelf); };
  ask_helper(list, [this](const ShelfFiles& files) {
    shelf_ = files.next_shelf;
    ahead_.assign(files.unknown.begin(), files.unknown.end());
    next();
  });
}

void Scrub::refill_from_index() {
  assert(ahead_.empty());
  const auto list = [after = last_](Core& core) { return list_blobs(core, after); };
  ask_helper(list, [this](const Result<std::vector<oci::Digest>>& digests) {
    if (!digests) return fail_pass(digests.error());
    if (digests->empty()) return end_pass();
    last_ = digests->back();
    ahead_.assign(digests->begin(), digests->end());
    next();
  });
}

void Scrub::check(const oci::Digest& digest) {
  assert(!check_);
  check_ = std::make_unique<BlobCheck>(
      context_.core, context_.workers, digest,
      [this](std::uint64_t read_bytes) { return pace(read_bytes); },
      [this, digest](const CheckedBlob& checked) { on_checked(digest, checked); });
}

void Scrub::on_checked(const oci::Digest& digest, const CheckedBlob& checked) {
  assert((state_ == State::kFiles || state_ == State::kPass) && check_);
  over_ = std::move(check_);
  if (state_ == State::kPass) done_ = digest;
  if (checked.state != BlobState::kGone) {
    ++checked_blobs_;
    checked_bytes_ += checked.size_bytes;
    count(context_.core->counters.scrubbed_bytes, checked.size_bytes);
  }
  if (checked.state == BlobState::kDamaged) {
    ++bad_blobs_;
    return context_.set_aside(digest, checked.inode, walk_->guard([this] { next(); }));
  }
  if (checked.state == BlobState::kGone && state_ == State::kPass) context_.look_again(digest);
  if (state_ == State::kFiles) put_back(digest, checked);
  unsaved_bytes_ += checked.size_bytes;
  const bool many = ++unsaved_blobs_ >= kSaveEveryBlobs || unsaved_bytes_ >= kSaveEveryBytes;
  if (many && state_ == State::kPass) save();
  next();
}

// A file that can't be read now is marked as private too, since a fill may use the file later.
void Scrub::put_back(const oci::Digest& digest, const CheckedBlob& checked) {
  const BlobRecord record{checked.size_bytes, context_.clock.wall_now()};
  context_.core->commits->add(
      [core = context_.core, digest, record,
       good = checked.state == BlobState::kGood](WriteTxn& txn) -> Status {
        if (core->marks_private()) {
          if (Status marked = txn.mark_private(digest); !marked) return marked;
        }
        return good ? txn.put_blob(digest, record) : Status();
      },
      nullptr);
}

void Scrub::end_pass() {
  enter(State::kWaiting);
  context_.core->events.tell(events::ScrubEnded{checked_blobs_, checked_bytes_, bad_blobs_});
  on_demand_ = false;
  last_.reset();
  done_.reset();
  pass_ended_ = context_.clock.wall_now();
  save();
  wait_for_next_pass();
}

// The end of a failed pass isn't saved. If the pass was on demand, it begins again on demand.
void Scrub::fail_pass(const Error& error) {
  enter(State::kFailed);
  count(context_.core->counters.store_errors);
  log::error("the check of stored blobs has failed and will begin again: {}", error.message);
  CommitQueue& commits = *context_.core->commits;
  if (commits.index().needs_recovery()) commits.recover();
  timer_ = context_.core->loop.after(options_.retry_after, [this] { begin_pass(); });
}

// The commits of all found blobs are queued already, so one last commit ends the walk of the files.
// The last commit erases the note for a rebuild, unless the index was set aside meanwhile.
void Scrub::end_files() {
  enter(State::kFilesDone);
  context_.core->commits->add(
      [core = context_.core, generation = generation_](WriteTxn& txn) -> Status {
        if (core->commits->index().generation() != generation) return {};
        if (Status marked = mark_rest_private(*core, txn); !marked) return marked;
        if (Status erased = txn.erase_note(Index::kGrantsNote); !erased) return erased;
        return txn.erase_note(Index::kRebuildNote);
      },
      walk_->guard([this](const Status& status) { on_files_done(status.ok()); }));
}

void Scrub::on_files_done(bool noted) {
  assert(bad_blobs_ <= checked_blobs_);
  enter(State::kWaiting);
  if (noted) {
    context_.core->events.tell(events::IndexRebuilt{checked_blobs_ - bad_blobs_, bad_blobs_});
    context_.core->commits->index().note_rebuilt();
  }
  pass_ended_ = pass_began_ = context_.clock.wall_now();
  save();
  if (std::exchange(on_demand_, false)) return run_now();
  wait_for_next_pass();
}

void Scrub::wait_for_next_pass() {
  assert(state_ == State::kWaiting);
  if (options_.every.count() == 0) return;
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
      context_.clock.wall_now() - pass_began_);
  // If the clock was set back, the period begins anew.
  const auto wait = since.count() < 0 ? options_.every : options_.every - since;
  timer_ = context_.core->loop.after(std::max(wait, std::chrono::milliseconds(1000)),
                                     [this] { begin_pass(); });
}

void Scrub::save() {
  unsaved_blobs_ = unsaved_bytes_ = 0;
  const std::string note = encode(ScrubNote{pass_began_, pass_ended_, done_});
  context_.core->commits->add(
      [note](WriteTxn& txn) { return txn.put_note(Index::kScrubNote, note); }, nullptr);
}

// Returns how long the pass must wait before the next piece, to keep to its rate.
std::chrono::milliseconds Scrub::pace(std::uint64_t read_bytes) {
  if (on_demand_ || state_ == State::kFiles) return std::chrono::milliseconds(0);
  const auto now = context_.clock.steady_now();
  paced_until_ =
      std::max(paced_until_, now) +
      std::chrono::milliseconds(read_bytes * 1000 / std::max<std::uint64_t>(options_.max_rate, 1));
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(paced_until_ - now);
  return busy() ? std::max<std::chrono::milliseconds>(wait, kBusyWait) : wait;
}

bool Scrub::busy() {
  const Counters& counters = context_.core->counters;
  const std::uint64_t traffic = counters.client_bytes_sent + counters.upstream_bytes;
  const auto now = context_.clock.steady_now();
  const auto elapsed =
      std::chrono::duration_cast<std::chrono::milliseconds>(now - traffic_seen_at_);
  if (elapsed.count() <= 0) return false;
  assert(traffic >= traffic_seen_);
  const std::uint64_t moved = traffic - std::exchange(traffic_seen_, traffic);
  traffic_seen_at_ = now;
  return moved * 1000 / static_cast<std::uint64_t>(elapsed.count()) > kBusyBytesPerSecond;
}

}  // namespace layby::store
