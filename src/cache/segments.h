// SPDX-License-Identifier: Apache-2.0
//
// The segments of a fill: requests for parts of the blob beyond its front, the end of the bytes
// that came in order. A segment's bytes are written ahead. When the front reaches a segment, the
// fill appends the bytes of the segment and takes over its transfer, so no byte comes twice. A
// segment that fails just ends: its bytes stay, and the front or a later segment brings the rest.
// DESIGN.md has the rules. Lives on the loop thread.
//
// Invariants:
// - Segments don't overlap. They are in the order of their offsets, all beyond the front.
// - begin <= written <= given <= end for each segment; a segment without a transfer has given ==
// end.
// - After stop() there is no segment, and none is added. After give_up() none is added.

#ifndef LAYBY_CACHE_SEGMENTS_H_
#define LAYBY_CACHE_SEGMENTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "layby/cache/upstream.h"

namespace layby::cache {

class Segments {
 public:
  class Owner {
   public:
    virtual std::unique_ptr<BlobTransfer> ask_segment(const BlobSpan& span, BlobSink& sink) = 0;
    // `bytes` of a segment have come, and must be written ahead.
    virtual void on_segment_bytes(std::uint64_t offset, std::string_view bytes) = 0;
    // A segment has ended, and `whole` says that all its bytes came.
    virtual void on_segment_end(bool whole) = 0;

   protected:
    ~Owner() = default;
  };
  enum class Kind {
    kWanted,  // A reader waits for the bytes. The segment waits for a slot and a turn.
    kSpare,   // The segment only makes the fill faster. It goes out if a slot and a turn are free.
  };

  // `front` is the sink of the fill's own transfer, and gets the bytes of a taken-over segment.
  Segments(Owner& owner, BlobSink& front);
  ~Segments();
  Segments(const Segments&) = delete;
  Segments& operator=(const Segments&) = delete;

  // Asks for the bytes [begin, end), which belong to no segment. `size_bytes` is the blob's size.
  void add(std::uint64_t begin, std::uint64_t end, std::uint64_t size_bytes, Kind kind);
  // Whether segments may be added.
  bool may_add() const { return strikes_ < kMostStrikes; }
  // Ends all transfers; the bytes that came stay.
  void end_transfers();
  // Ends all segments for good, and forgets their bytes.
  void stop();
  // Ends all transfers for good, and forgets the bytes that aren't written.
  void give_up();
  void pause(bool paused);

  std::size_t running() const;
  std::size_t running(Kind kind) const;
  // The first offset at `from` or later that belongs to no segment, and the begin of the next
  // segment after that offset.
  BlobSpan gap_after(std::uint64_t from) const;
  // The end of the written bytes that are readable from `offset` on; `offset` if there are none.
  std::uint64_t readable_end(std::uint64_t offset) const;
  // Whether a transfer will bring the byte at `offset`.
  bool is_coming(std::uint64_t offset) const;

  // The part [offset, end) of the blob was written ahead. It may belong to several segments.
  void on_written(std::uint64_t offset, std::uint64_t end);

  // The front has bytes up to `to`. Returns the begin of the first segment with bytes, if the front
  // reaches it. Drops earlier segments without bytes.
  std::optional<std::uint64_t> stop_of(std::uint64_t to);
  // The begin of the first segment.
  std::optional<std::uint64_t> first() const;
  // Takes at most `most` written bytes at `front` out of the segments, and returns their number.
  std::uint64_t take(std::uint64_t front, std::uint64_t most);
  // Whether bytes at `front` have come and aren't written yet. Pauses their transfer, so that the
  // writing ends soon.
  bool is_writing(std::uint64_t front);
  // Takes the transfer of the segment that begins at `front` out of the segments. From now on its
  // bytes go to the sink of the front. nullopt if there is no such segment, or if its answer has
  // not begun.
  struct TakenOver {
    std::unique_ptr<BlobTransfer> transfer;
    std::uint64_t end;
  };
  std::optional<TakenOver> take_over(std::uint64_t front);

 private:
  class Segment;
  // A fill has no more segments after so many failures in a row.
  static constexpr int kMostStrikes = 4;

  // Upstream doesn't send what was asked for.
  void on_wrong_answer(Segment& segment);
  void on_end(Segment& segment, const Status& status);
  void end_transfer(Segment& segment);

  Owner& owner_;
  BlobSink& front_;
  std::vector<std::unique_ptr<Segment>> segments_;
  int strikes_ = 0;  // Failed segments since the last whole segment.
  bool paused_ = false;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_SEGMENTS_H_
