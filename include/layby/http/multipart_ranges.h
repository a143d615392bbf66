// SPDX-License-Identifier: Apache-2.0
//
// The body of a 206 answer with several ranges: multipart/byteranges (RFC 9110 sections 14.6 and
// 15.3.7.2). This class makes the text around the ranges. The bytes of the ranges are never here.

#ifndef LAYBY_HTTP_MULTIPART_RANGES_H_
#define LAYBY_HTTP_MULTIPART_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "layby/http/range.h"

namespace layby::http {

class MultipartRanges {
 public:
  // The `ranges` of a body of `size_bytes` are at least two, and none overlaps another. Nobody can
  // guess the `boundary`, so the bytes of the body don't have it; it needs no quotes (RFC 2045,
  // section 5.1). `part_type` is a constant: the Content-Type of each part.
  MultipartRanges(ByteRanges ranges, std::uint64_t size_bytes, std::string boundary,
                  std::string_view part_type);

  // The value of Content-Type of the whole answer.
  std::string content_type() const;
  // The length of the whole body: the text and the ranges.
  std::uint64_t body_bytes() const { return body_bytes_; }

  // The number of parts. The parts go out in the order of ranges().
  std::size_t count() const { return ranges_.size(); }
  const ByteRanges& ranges() const { return ranges_; }
  // The smallest range that has all ranges.
  ByteRange span() const;
  // The text before the bytes of the part at `index`.
  std::string head(std::size_t index) const;
  // The text after the bytes of the last part.
  std::string end() const;

 private:
  const ByteRanges ranges_;
  const std::uint64_t size_bytes_;
  const std::string boundary_;
  const std::string_view part_type_;
  std::uint64_t body_bytes_ = 0;
};

}  // namespace layby::http

#endif  // LAYBY_HTTP_MULTIPART_RANGES_H_
