// SPDX-License-Identifier: Apache-2.0
//
// An upstream that answers a range with anything else gets no more requests for segments of this
// blob. A callback of a segment's transfer may destroy the segment.

#include "cache/segments.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::cache {
namespace {

// Whether upstream serves no ranges of the blob, or asks for fewer requests.
bool is_final(const Error& error) {
  return error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kInvalid ||
         error.code == ErrorCode::kThrottled || is_refusal(error);
}

}  // namespace

class Segments::Segment final : public BlobTransfer, private BlobSink {
 public:
  Segment(Segments& all, std::uint64_t from, std::uint64_t to, std::uint64_t size_bytes, Kind kind)
      : begin(from),
        given(from),
        written(from),
        end(to),
        kind_(kind),
        size_(size_bytes),
        all_(all) {
    assert(from < to && to <= size_bytes);
    transfer_ = all.owner_.ask_segment({from, to}, *this);
    if (all.paused_) transfer_->pause();
  }

  std::uint64_t begin;    // The front hasn't taken the bytes from here on.
  std::uint64_t given;    // Where the next byte from upstream belongs.
  std::uint64_t written;  // The bytes below were written ahead.
  std::uint64_t end;

  bool is_running() const { return transfer_ != nullptr; }
  bool has_begun() const { return has_begun_; }
  bool was_sent() const { return was_sent_; }
  bool is(Kind kind) const { return kind_ == kind; }
  void end_transfer() {
    transfer_.reset();
    end = given;
  }
  void give_up() {
    given = written;
    end_transfer();
  }
  void pass_to_front() {
    assert(transfer_ && has_begun_ && begin == given && given == written);
    is_front_ = true;
  }

  void pause() override {
    if (transfer_) transfer_->pause();
  }
  void resume() override {
    if (transfer_) transfer_->resume();
  }
  bool hedge() override { return false; }  // The answer has begun, or the segment may fail.

 private:
  void on_blob_asked() override { was_sent_ = true; }
  void on_blob_start(const BlobStart& start) override {
    assert(!is_front_ && begin == given);
    if (start.offset != begin || (start.size_bytes && *start.size_bytes != size_)) {
      return all_.on_wrong_answer(*this);  // Destroys this.
    }
    has_begun_ = true;
  }
  void on_blob_bytes(std::string_view bytes) override {
    if (is_front_) return all_.front_.on_blob_bytes(bytes);
    if (bytes.size() > end - given) return all_.on_wrong_answer(*this);  // May destroy this.
    const std::uint64_t offset = given;
    given += bytes.size();
    all_.owner_.on_segment_bytes(offset, bytes);  // May destroy this.
  }
  void on_blob_end(Status status) override {
    if (is_front_) return all_.front_.on_blob_end(std::move(status));  // May destroy this.
    all_.on_end(*this, status);                                        // May destroy this.
  }
  bool in_background() const override { return is_front_ && all_.front_.in_background(); }
  bool lends_slot() const override { return is_front_ && all_.front_.lends_slot(); }
  bool is_spare() const override { return !is_front_ && kind_ == Kind::kSpare; }
  std::vector<IpAddress> clients() const override { return all_.front_.clients(); }

  const Kind kind_;
  const std::uint64_t size_;
  Segments& all_;
  bool was_sent_ = false;
  bool has_begun_ = false;
  bool is_front_ = false;
  std::unique_ptr<BlobTransfer> transfer_;  // Null after its end.
};

Segments::Segments(Owner& owner, BlobSink& front) : owner_(owner), front_(front) {}

Segments::~Segments() = default;

void Segments::add(std::uint64_t begin, std::uint64_t end, std::uint64_t size_bytes, Kind kind) {
  assert(may_add());
  const auto next = std::find_if(segments_.begin(), segments_.end(),
                                 [begin](const auto& one) { return one->begin >= begin; });
  assert(next == segments_.end() || end <= (*next)->begin);
  assert(next == segments_.begin() || (*std::prev(next))->end <= begin);
  segments_.insert(next, std::make_unique<Segment>(*this, begin, end, size_bytes, kind));
}

void Segments::end_transfers() {
  for (const auto& segment : segments_) segment->end_transfer();
  std::erase_if(segments_, [](const auto& one) { return one->begin == one->end; });
}

void Segments::stop() {
  strikes_ = kMostStrikes;
  segments_.clear();
}

void Segments::give_up() {
  strikes_ = kMostStrikes;
  for (const auto& segment : segments_) segment->give_up();
  std::erase_if(segments_, [](const auto& one) { return one->begin == one->end; });
}

void Segments::pause(bool paused) {
  if (paused_ == paused) return;
  paused_ = paused;
  for (const auto& segment : segments_) paused ? segment->pause() : segment->resume();
}

std::size_t Segments::running() const { return running(Kind::kWanted) + running(Kind::kSpare); }

std::size_t Segments::running(Kind kind) const {
  return static_cast<std::size_t>(
      std::count_if(segments_.begin(), segments_.end(),
                    [kind](const auto& one) { return one->is_running() && one->is(kind); }));
}

BlobSpan Segments::gap_after(std::uint64_t from) const {
  for (const auto& segment : segments_) {
    if (segment->begin > from) return {from, segment->begin};
    from = std::max(from, segment->end);
  }
  return {from};
}

std::uint64_t Segments::readable_end(std::uint64_t offset) const {
  for (const auto& segment : segments_) {
    if (segment->begin > offset) break;
    offset = std::max(offset, segment->written);
  }
  return offset;
}

bool Segments::is_coming(std::uint64_t offset) const {
  return std::any_of(segments_.begin(), segments_.end(), [offset](const auto& one) {
    return one->begin <= offset && offset < one->end;
  });
}

void Segments::on_written(std::uint64_t offset, std::uint64_t end) {
  for (const auto& segment : segments_) {
    if (offset <= segment->written && segment->written < end) {
      segment->written = std::min(end, segment->given);
    }
  }
}

std::optional<std::uint64_t> Segments::stop_of(std::uint64_t to) {
  while (!segments_.empty() && segments_.front()->begin <= to) {
    const Segment& first = *segments_.front();
    if (first.given > first.begin) return first.begin;
    if (first.begin == to) break;
    segments_.erase(segments_.begin());
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Segments::first() const {
  return segments_.empty() ? std::nullopt : std::optional(segments_.front()->begin);
}

std::uint64_t Segments::take(std::uint64_t front, std::uint64_t most) {
  if (segments_.empty() || segments_.front()->begin != front) return 0;
  Segment& segment = *segments_.front();
  const std::uint64_t taken = std::min(most, segment.written - front);
  segment.begin += taken;
  if (segment.begin == segment.end && !segment.is_running()) segments_.erase(segments_.begin());
  return taken;
}

bool Segments::is_writing(std::uint64_t front) {
  if (segments_.empty() || segments_.front()->begin != front) return false;
  Segment& segment = *segments_.front();
  if (segment.given == segment.begin) return false;
  segment.pause();
  return true;
}

std::optional<Segments::TakenOver> Segments::take_over(std::uint64_t front) {
  if (segments_.empty() || segments_.front()->begin != front) return std::nullopt;
  std::unique_ptr<Segment> segment = std::move(segments_.front());
  segments_.erase(segments_.begin());
  if (!segment->is_running() || !segment->has_begun()) return std::nullopt;
  segment->pass_to_front();
  const std::uint64_t end = segment->end;
  return TakenOver{std::move(segment), end};
}

void Segments::on_wrong_answer(Segment& segment) {
  strikes_ = kMostStrikes;
  end_transfer(segment);
  owner_.on_segment_end(false);
}

// A segment that gets or keeps no slot, or gets no turn, isn't upstream's failure.
void Segments::on_end(Segment& segment, const Status& status) {
  const bool whole = status.ok() && segment.given == segment.end;
  const bool lost_slot = !status.ok() && status.error().code == ErrorCode::kCancelled;
  if (whole) {
    if (may_add()) strikes_ = 0;
  } else if (segment.was_sent() && !lost_slot) {
    strikes_ = !status.ok() && is_final(status.error()) ? kMostStrikes : strikes_ + 1;
  }
  end_transfer(segment);
  owner_.on_segment_end(whole);
}

void Segments::end_transfer(Segment& segment) {
  segment.end_transfer();
  if (segment.begin < segment.end) return;
  std::erase_if(segments_, [&segment](const auto& one) { return one.get() == &segment; });
}

}  // namespace layby::cache
