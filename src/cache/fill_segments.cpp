// SPDX-License-Identifier: Apache-2.0
//
// Decides when a fill asks for segments, and joins their bytes to the front. A reader far beyond
// the front gets a segment at once. Other segments make the fill faster, as far as policy::Split
// finds that they do; these segments lie close beyond the front, because readers follow the front.
// Only a kept fill in the fore asks for segments.

#include <algorithm>
#include <cassert>

#include "cache/fill.h"

namespace layby::cache {
namespace {

// The bytes that one step of join() appends. They are queued for the disk like other bytes.
constexpr std::uint64_t kStepBytes = 256 << 10;
// A segment for a reader begins and ends at a multiple of this part of
// SplitRules::least_part_bytes, which is 64 KiB. A reader of many small ranges wants their
// neighbours soon, and a smaller request is no cheaper.
constexpr std::uint64_t kAlignment = 4;
// The most segments for readers that are under way. Further readers wait.
constexpr std::size_t kMostWanted = 8;
// The most bytes of a segment for a reader, in SplitRules::most_part_bytes.
constexpr std::uint64_t kMostWantedParts = 4;
// The most parts that the segments may be ahead, in addition to a part for each connection. Readers
// get no byte of these parts until the front is there.
constexpr std::uint64_t kPartsAhead = 2;

}  // namespace

bool Fill::may_split() const {
  return !background_ && keeping_ == Keeping::kAdmitted && is_downloading() && !held_back_ &&
         size_bytes_ && state_ != FillState::kOpening && segments_.may_add();
}

std::unique_ptr<BlobTransfer> Fill::ask_segment(const BlobSpan& span, BlobSink& sink) {
  count(context_.counters.fill_segments);
  return origin_.upstream->get_blob(repository_, digest_, span, sink);
}

void Fill::on_segment_bytes(std::uint64_t offset, std::string_view bytes) {
  assert(offset >= appended_bytes_ && keeping_ == Keeping::kAdmitted);
  arrived_bytes_ += bytes.size();
  context_.link.bytes += bytes.size();
  writer_->write_ahead(offset, bytes);
  update_flow();
}

// A segment that failed isn't replaced before the next tick.
void Fill::on_segment_end(bool whole) {
  if (state_ == FillState::kJoining) join();
  if (!whole) return;
  serve_wants();
  add_spares();
}

void Fill::on_written_ahead(std::uint64_t offset, std::uint64_t end) {
  if (state_ == FillState::kOver) return;
  segments_.on_written(offset, end);
  update_flow();
  if (state_ == FillState::kJoining) join();
  if (!held_back_) readers_.tell();
}

void Fill::on_ahead_failed(const Error& /*reason*/) {
  if (state_ == FillState::kOver) return;
  segments_.give_up();
  update_flow();
  if (state_ == FillState::kJoining) join();
}

void Fill::join() {
  assert(is_downloading());
  transfer_.reset();
  if (state_ != FillState::kJoining) enter(FillState::kJoining);
  while (writer_->queued_bytes() < context_.rules.max_queued_bytes) {
    const std::uint64_t taken = segments_.take(appended_bytes_, kStepBytes);
    if (taken == 0) break;
    continued_ = true;
    note_progress(taken);
    appended_bytes_ += taken;
    writer_->append_written(taken);
  }
  if (appended_bytes_ == *size_bytes_) return verify();
  if (segments_.is_writing(appended_bytes_)) return;  // The writer's next report calls join().
  if (auto next = segments_.take_over(appended_bytes_)) {
    transfer_ = std::move(next->transfer);
    taken_over_ = true;
    asked_end_ = next->end;
    skip_bytes_ = 0;
    wait_ = Wait::kNone;
    began_in_background_ = false;
    enter(FillState::kStreaming);
    transfer_->resume();
    update_flow();
  } else {
    ask();
  }
  add_spares();
}

std::uint64_t Fill::readable_from(std::uint64_t position, bool takes_last) const {
  const std::uint64_t front = readable_bytes();
  if (!size_bytes_ || held_back_ || is_unkept() || position <= written_bytes_) return front;
  const std::uint64_t end = segments_.readable_end(position);
  return std::max(front, takes_last ? end : std::min(end, *size_bytes_ - 1));
}

bool Fill::on_want(std::uint64_t first, std::uint64_t end) {
  const bool is_far = first > appended_bytes_ && split_.is_far(first - appended_bytes_);
  if (!is_far || !is_downloading()) return false;
  serve_wants();
  return end - first <= context_.rules.small_range_bytes;
}

void Fill::serve_wants() {
  if (!may_split()) return;
  const std::uint64_t unit =
      std::max<std::uint64_t>(context_.rules.split.least_part_bytes / kAlignment, 1);
  for (const BlobSpan& want : readers_.wants()) {
    if (segments_.running(Segments::Kind::kWanted) >= kMostWanted) return;
    if (want.offset <= appended_bytes_) continue;
    const std::uint64_t from = segments_.readable_end(want.offset);
    const bool is_served = from >= *want.end || segments_.is_coming(from);
    if (is_served || !split_.is_far(from - appended_bytes_)) continue;
    const std::uint64_t even = std::max(from / unit * unit, appended_bytes_ + 1);
    const BlobSpan gap = segments_.gap_after(even);
    const std::uint64_t after = (*want.end + unit - 1) / unit * unit;
    const std::uint64_t end =
        std::min({after, gap.offset + kMostWantedParts * context_.rules.split.most_part_bytes,
                  gap.end.value_or(*size_bytes_), *size_bytes_});
    segments_.add(gap.offset, end, *size_bytes_, Segments::Kind::kWanted);
  }
}

// Parts cost requests of the minute, so they leave half of the minute to everything else.
bool Fill::is_busy() const { return origin_.upstream->patience(Ask::kBlob).wait.count() > 0; }

// A transfer that was asked for a part ends by itself, and leaves its connection to the next part.
std::optional<std::uint64_t> Fill::end_of_part() const {
  const auto next = segments_.first();
  if (!may_split() || split_.connections() == 1 || is_busy()) return next;
  const std::uint64_t left = *size_bytes_ - appended_bytes_;
  const std::uint64_t end = appended_bytes_ + std::min(split_.part_bytes(left), left);
  return std::min(end, next.value_or(end));
}

// The front's own transfer brings the part at the front.
void Fill::add_spares() {
  if (!may_split() || is_busy()) return;
  const auto most = static_cast<std::size_t>(split_.connections());
  const std::uint64_t part = split_.part_bytes(*size_bytes_ - appended_bytes_);
  const std::uint64_t last = appended_bytes_ + part * (most + kPartsAhead);
  const bool is_short = transfer_ && asked_end_ && *asked_end_ >= appended_bytes_ &&
                        *asked_end_ <= appended_bytes_ + 2 * part;
  const std::uint64_t front_end = is_short ? *asked_end_ : appended_bytes_ + part;
  while (1 + segments_.running() < most) {
    const BlobSpan gap = segments_.gap_after(front_end);
    if (gap.offset >= std::min(last, *size_bytes_)) return;
    const std::uint64_t end =
        std::min({gap.offset + part, gap.end.value_or(*size_bytes_), *size_bytes_});
    segments_.add(gap.offset, end, *size_bytes_, Segments::Kind::kSpare);
  }
}

void Fill::tick_soon() {
  if (ticking_ || !may_split()) return;
  if (*size_bytes_ - appended_bytes_ < context_.rules.split.least_part_bytes) return;
  measure();
  ticking_ = context_.timers.after(policy::Split::kTick, [this] { on_tick(); });
}

void Fill::on_tick() {
  ticking_.reset();
  measure();
  serve_wants();
  add_spares();
  tick_soon();
}

void Fill::measure() {
  const bool flows = state_ == FillState::kStreaming && wait_ == Wait::kNone;
  count_connections(flows ? 1 + static_cast<int>(segments_.running()) : 0);
  if (!may_split()) {
    split_.give_up();
  } else if (!flows) {
    split_.on_gap();
  } else {
    split_.on_tick(context_.clock.steady_now(),
                   {arrived_bytes_, context_.link.bytes, *size_bytes_ - appended_bytes_,
                    context_.link.connections});
  }
}

void Fill::count_connections(int connections) {
  context_.link.connections += connections - std::exchange(counted_connections_, connections);
}

void Fill::end_segments() {
  segments_.stop();
  split_.give_up();
  count_connections(0);
  if (state_ == FillState::kJoining) join();
}

}  // namespace layby::cache
