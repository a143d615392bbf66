// SPDX-License-Identifier: Apache-2.0
//
// Byte ranges (RFC 9110 section 14). A request for one range gets the range; a request for
// several ranges gets them in one multipart body (multipart_ranges.h).

#ifndef LAYBY_HTTP_RANGE_H_
#define LAYBY_HTTP_RANGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace layby::http {

// Bytes [first, first + length) of a representation.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;
  bool operator==(const ByteRange&) const = default;
};

using ByteRanges = std::vector<ByteRange>;

// The most ranges that one request may ask for. The partial pulls of podman ask for at most 1,024
// (containers/storage).
inline constexpr std::size_t kMostRanges = 1024;

struct WholeBody {  // No range, or a range to ignore: answer 200.
  bool operator==(const WholeBody&) const = default;
};
struct Unsatisfiable {  // Answer 416 with "Content-Range: bytes */size".
  bool operator==(const Unsatisfiable&) const = default;
};
using RangeDecision = std::variant<WholeBody, ByteRange, ByteRanges, Unsatisfiable>;

// Decides the answer to `Range: value` for a body of `size_bytes`. A malformed header, a unit other
// than bytes, or more than kMostRanges ranges give WholeBody. ByteRanges are at least two, and none
// overlaps another. They are in the order of the request; ranges that overlap are one range, in the
// place of the first of them. Unsatisfiable ranges beside satisfiable ones are left out.
//
// Ranges that only touch, or have a small gap between them, stay apart, although the RFC lets a
// server join them: containers/image takes the first part for its first range, the second part for
// its second range, without a look at Content-Range.
RangeDecision resolve_range(std::optional<std::string_view> value, std::uint64_t size_bytes);

// Returns a value of Content-Range: "bytes 0-99/1234".
std::string format_content_range(const ByteRange& range, std::uint64_t size_bytes);

// The Content-Range of a 206 answer: the positions of the first and the last byte, and the size of
// the whole body if known.
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> size_bytes;
  bool operator==(const ContentRange&) const = default;
};
std::optional<ContentRange> parse_content_range(std::string_view value);

}  // namespace layby::http

#endif  // LAYBY_HTTP_RANGE_H_
