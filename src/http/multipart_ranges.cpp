// SPDX-License-Identifier: Apache-2.0
//
// Invariant: body_bytes_ is the length of all heads, all ranges and the end. The ranges don't
// overlap, so the ranges together are never longer than the body that they are from.

#include "layby/http/multipart_ranges.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::http {

MultipartRanges::MultipartRanges(ByteRanges ranges, std::uint64_t size_bytes, std::string boundary,
                                 std::string_view part_type)
    : ranges_(std::move(ranges)),
      size_bytes_(size_bytes),
      boundary_(std::move(boundary)),
      part_type_(part_type) {
  assert(ranges_.size() >= 2);
  assert(!boundary_.empty() && boundary_.size() <= 70);  // RFC 2046, section 5.1.1.
  body_bytes_ = end().size();
  for (std::size_t i = 0; i < count(); ++i) body_bytes_ += head(i).size() + ranges_[i].length;
}

std::string MultipartRanges::content_type() const {
  return "multipart/byteranges; boundary=" + boundary_;
}

ByteRange MultipartRanges::span() const {
  std::uint64_t first = size_bytes_;
  std::uint64_t end = 0;
  for (const ByteRange& range : ranges_) {
    first = std::min(first, range.first);
    end = std::max(end, range.first + range.length);
  }
  assert(first < end && end <= size_bytes_);
  return {first, end - first};
}

// The line break before a boundary belongs to the boundary, not to the part before it.
std::string MultipartRanges::head(std::size_t index) const {
  assert(index < count());
  std::string text(index == 0 ? "--" : "\r\n--");
  text.append(boundary_).append("\r\nContent-Type: ").append(part_type_);
  text.append("\r\nContent-Range: ").append(format_content_range(ranges_[index], size_bytes_));
  return text.append("\r\n\r\n");
}

std::string MultipartRanges::end() const { return "\r\n--" + boundary_ + "--\r\n"; }

}  // namespace layby::http
