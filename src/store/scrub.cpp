// SPDX-License-Identifier: Apache-2.0
//
// Checks one blob at a time, in steps of which at most one is under way; beginning another
// walk cancels it. A cursor that stays open would keep LMDB from reusing old pages, so a short
// transaction reads a few hundred digests ahead.

#include "store/scrub.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "layby/base/log.h"
#include "store/records.h"

namespace layby::store {
namespace {

constexpr std::size_t kAhead = 256;

// Saving the position writes a few pages; after a crash, blobs since the last save are read
// again.
constexpr std::uint64_t kSaveEveryBlobs = 512;
constexpr std::uint64_t kSaveEveryBytes = 1 << 30;
constexpr std::chrono::seconds kBusyWait{1};
constexpr std::uint64_t kBusyBytesPerSecond = 1 << 20;

// Marks the digests of all partial files as private, for an index that was made anew.
Status mark_partials_private(const Core& core, WriteTxn& txn) {
  if (!core.private_after_rebuild) return {};
  for (const PartialFile& partial : core.files.list_partials(WallTime())) {
    if (Status marked = txn.mark_private(partial.digest); !marked) return marked;
  }
  return {};
}

}  // namespace

Scrub::Scrub(const ScrubOptions& options, Context context)
    : options_(options),
      context_(std::move(context)),
      pass_began_(context_.clock.wall_now()),
      traffic_seen_at_(context_.clock.steady_now()),
      paced_until_(context_.clock.steady_now()) {}

// Saves the position, so that the next run resumes here.
Scrub::~Scrub() {
  if (walk_ == Walk::kIndex && unsaved_blobs_ > 0) save();
}

// Runs `ask` with a transaction on a helper, and `take` with its result on the loop,
// unless another walk has begun.
template <typename Ask, typename Take>
void Scrub::ask_helper(Ask ask, Take take) {
  context_.workers.submit_long(
      [core = context_.core, weak = std::weak_ptr(self_), number = walk_number_, ask, take] {
        auto result = ask(*core);
        core->loop.post([weak, number, take, result = std::move(result)] {
          const auto self = weak.lock();
          if (self && (*self)->walk_number_ == number) take(**self, result);
        });
      });
}

void Scrub::start() {
  if (context_.core->commits->index().needs_rebuild()) return begin_files();
  const auto read_note = [](Core& core) -> std::optional<ScrubNote> {
    Result<ReadTxn> txn = core.commits->index().snapshot();
    if (!txn) return std::nullopt;
    const auto note = txn->find_note(Index::kScrubNote);
    if (!note || !note->has_value()) return std::nullopt;
    const Result<ScrubNote> decoded = decode_scrub(**note);
    return decoded ? std::optional(*decoded) : std::nullopt;
  };
  ask_helper(read_note, [](Scrub& self, const std::optional<ScrubNote>& note) {
    if (!note) return self.save(), self.wait_for_next_pass();
    assert(self.walk_ == Walk::kNone);
    self.pass_began_ = note->began;
    self.pass_ended_ = note->ended;
    if (!note->last) return self.wait_for_next_pass();
    self.last_ = self.done_ = note->last;
    self.walk_ = Walk::kIndex;
    self.next();
  });
}

void Scrub::run_now() {
  on_demand_ = true;
  if (walk_ == Walk::kFiles) return;
  begin_pass();
}

cache::ScrubStatus Scrub::status() const {
  cache::ScrubStatus status;
  status.running = walk_ != Walk::kNone;
  status.rebuilding = walk_ == Walk::kFiles;
  status.on_demand = on_demand_;
  status.checked_blobs = checked_blobs_;
  status.checked_bytes = checked_bytes_;
  status.bad_blobs = bad_blobs_;
  status.last_ended = pass_ended_;
  return status;
}

void Scrub::begin_walk(Walk walk) {
  ++walk_number_;
  walk_ = walk;
  check_.reset();
  ahead_.clear();
  last_.reset();
  done_.reset();
  checked_blobs_ = checked_bytes_ = bad_blobs_ = unsaved_blobs_ = unsaved_bytes_ = 0;
}

void Scrub::begin_pass() {
  begin_walk(Walk::kIndex);
  pass_began_ = context_.clock.wall_now();
  next();
}

void Scrub::begin_files() {
  log::info("rebuilding the index from the blob files");
  begin_walk(Walk::kFiles);
  shelf_ = 0;
  generation_ = context_.core->commits->index().generation();
  next();
}

void Scrub::next() {
  assert(walk_ != Walk::kNone && !check_);
  if (ahead_.empty()) return refill();
  const oci::Digest digest = ahead_.front();
  ahead_.pop_front();
  check(digest);
}

void Scrub::refill() {
  assert(ahead_.empty());
  if (walk_ == Walk::kFiles) return refill_from_files();
  if (walk_ == Walk::kIndex) return refill_from_index();
}

void Scrub::refill_from_files() {
  assert(shelf_ <= 2 * BlobFiles::kShelves);
  if (shelf_ == 2 * BlobFiles::kShelves) return end_files();
  const auto list = [shelf = shelf_++](Core& core) {
    const ShaKind kind = shelf < BlobFiles::kShelves ? ShaKind::kSha256 : ShaKind::kSha512;
    std::vector<oci::Digest> unknown;
    Result<ReadTxn> txn = core.commits->index().snapshot();
    for (oci::Digest& digest : core.files.list_shelf(kind, shelf % BlobFiles::kShelves)) {
      const auto known = txn ? txn->find_blob(digest) : std::optional<BlobRecord>();
      if (!known || !known->has_value()) unknown.push_back(std::move(digest));
    }
    return unknown;
  };
  ask_helper(list, [](Scrub& self, const std::vector<oci::Digest>& digests) {
    self.ahead_.assign(digests.begin(), digests.end());
    self.next();
  });
}

void Scrub::refill_from_index() {
  const auto list = [after = last_](Core& core) {
    std::vector<oci::Digest> digests;
    Result<ReadTxn> txn = core.commits->index().snapshot();
    if (!txn) return digests;
    const Status read = txn->each_blob(after, [&](const oci::Digest& digest, const BlobRecord&) {
      digests.push_back(digest);
      return digests.size() < kAhead;
    });
    if (!read) log::error("{}", read.error().message);
    return digests;
  };
  ask_helper(list, [](Scrub& self, const std::vector<oci::Digest>& digests) {
    if (digests.empty()) return self.end_pass();
    self.last_ = digests.back();
    self.ahead_.assign(digests.begin(), digests.end());
    self.next();
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
  assert(walk_ != Walk::kNone && check_);
  over_ = std::move(check_);
  if (walk_ == Walk::kIndex) done_ = digest;
  if (checked.state != BlobState::kGone) {
    ++checked_blobs_;
    checked_bytes_ += checked.size_bytes;
    count(context_.core->counters.scrubbed_bytes, checked.size_bytes);
  }
  if (checked.state == BlobState::kDamaged) {
    ++bad_blobs_;
    const auto go_on = [weak = std::weak_ptr(self_), number = walk_number_] {
      const auto self = weak.lock();
      if (self && (*self)->walk_number_ == number) (*self)->next();
    };
    return context_.set_aside(digest, checked.inode, go_on);
  }
  if (checked.state == BlobState::kGone && walk_ == Walk::kIndex) context_.look_again(digest);
  if (walk_ == Walk::kFiles) put_back(digest, checked);
  unsaved_bytes_ += checked.size_bytes;
  const bool many = ++unsaved_blobs_ >= kSaveEveryBlobs || unsaved_bytes_ >= kSaveEveryBytes;
  if (many && walk_ == Walk::kIndex) save();
  next();
}

// Marks a file that can't be read now as private too, since a fill may use it later.
void Scrub::put_back(const oci::Digest& digest, const CheckedBlob& checked) {
  const BlobRecord record{checked.size_bytes, context_.clock.wall_now()};
  context_.core->commits->add(
      [core = context_.core, digest, record,
       good = checked.state == BlobState::kGood](WriteTxn& txn) -> Status {
        if (core->private_after_rebuild) {
          if (Status marked = txn.mark_private(digest); !marked) return marked;
        }
        return good ? txn.put_blob(digest, record) : Status();
      },
      nullptr);
}

void Scrub::end_pass() {
  assert(walk_ == Walk::kIndex);
  context_.core->events.tell(events::ScrubEnded{checked_blobs_, checked_bytes_, bad_blobs_});
  walk_ = Walk::kNone;
  on_demand_ = false;
  last_.reset();
  done_.reset();
  pass_ended_ = context_.clock.wall_now();
  save();
  wait_for_next_pass();
}

// The walk of the files ends with a commit after the commits of all found blobs. This commit
// erases the note for a rebuild, unless the index was set aside meanwhile.
void Scrub::end_files() {
  assert(walk_ == Walk::kFiles);
  context_.core->commits->add(
      [core = context_.core, generation = generation_](WriteTxn& txn) -> Status {
        if (core->commits->index().generation() != generation) return {};
        if (Status marked = mark_partials_private(*core, txn); !marked) return marked;
        return txn.erase_note(Index::kRebuildNote);
      },
      [weak = std::weak_ptr(self_), number = walk_number_](const Status& status) {
        const auto self = weak.lock();
        if (self && (*self)->walk_number_ == number) (*self)->on_files_done(status.ok());
      });
}

void Scrub::on_files_done(bool noted) {
  assert(walk_ == Walk::kFiles && bad_blobs_ <= checked_blobs_);
  if (noted) {
    context_.core->events.tell(events::IndexRebuilt{checked_blobs_ - bad_blobs_, bad_blobs_});
    context_.core->commits->index().note_rebuilt();
  }
  walk_ = Walk::kNone;
  pass_ended_ = pass_began_ = context_.clock.wall_now();
  save();
  if (std::exchange(on_demand_, false)) return run_now();
  wait_for_next_pass();
}

void Scrub::wait_for_next_pass() {
  if (options_.every.count() == 0) return;
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
      context_.clock.wall_now() - pass_began_);
  // If the clock was set back, the period begins anew.
  const auto wait = since.count() < 0 ? options_.every : options_.every - since;
  timer_ = context_.core->loop.after(std::max(wait, std::chrono::milliseconds(1000)), [this] {
    if (walk_ == Walk::kNone) begin_pass();
  });
}

void Scrub::save() {
  unsaved_blobs_ = unsaved_bytes_ = 0;
  const std::string note = encode(ScrubNote{pass_began_, pass_ended_, done_});
  context_.core->commits->add(
      [note](WriteTxn& txn) { return txn.put_note(Index::kScrubNote, note); }, nullptr);
}

// How long to wait before the next piece, so that the pass keeps its rate.
std::chrono::milliseconds Scrub::pace(std::uint64_t read_bytes) {
  if (on_demand_ || walk_ == Walk::kFiles) return std::chrono::milliseconds(0);
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
