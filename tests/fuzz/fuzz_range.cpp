// SPDX-License-Identifier: Apache-2.0
//
// Range, Content-Range, If-Range and If-None-Match. The input is eight bytes for the body's size,
// then the header's value. A served range always is within the body, and no byte is served twice.

#include <algorithm>
#include <limits>
#include <string>
#include <variant>

#include "layby/http/conditional.h"
#include "layby/http/multipart_ranges.h"
#include "layby/http/range.h"
#include "require.h"

namespace layby::fuzz {
namespace {

constexpr std::uint64_t kMaxOffset = std::numeric_limits<std::int64_t>::max();

void check_served(const http::ByteRange& range, std::uint64_t size_bytes) {
  require(range.length >= 1, "a range isn't empty");
  require(range.first < size_bytes, "a range begins in the body");
  require(range.length <= size_bytes - range.first, "a range ends in the body");
  if (size_bytes > kMaxOffset) return;
  const http::ContentRange expected{range.first, range.first + range.length - 1, size_bytes};
  require(http::parse_content_range(http::format_content_range(range, size_bytes)) == expected,
          "Content-Range reads back");
}

void check_several(http::ByteRanges ranges, std::uint64_t size_bytes) {
  require(ranges.size() >= 2 && ranges.size() <= http::kMostRanges, "the number of ranges");
  for (const http::ByteRange& range : ranges) check_served(range, size_bytes);
  std::uint64_t text_bytes = 0;
  if (size_bytes <= kMaxOffset) {
    const http::MultipartRanges parts(ranges, size_bytes, "edge", "a/b");
    for (std::size_t i = 0; i < parts.count(); ++i) text_bytes += parts.head(i).size();
    text_bytes += parts.end().size();
    require(parts.body_bytes() <= size_bytes + text_bytes, "the body is hardly longer");
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    require(ranges[i].first - ranges[i - 1].first >= ranges[i - 1].length, "no overlap");
  }
}

void check_resolve(std::string_view value, std::uint64_t size_bytes) {
  const http::RangeDecision decision = http::resolve_range(value, size_bytes);
  if (const auto* one = std::get_if<http::ByteRange>(&decision)) check_served(*one, size_bytes);
  if (const auto* several = std::get_if<http::ByteRanges>(&decision)) {
    check_several(*several, size_bytes);
  }
}

void check_content_range(std::string_view value) {
  const auto range = http::parse_content_range(value);
  if (!range) return;
  require(range->first <= range->last, "Content-Range goes forwards");
  require(range->last <= kMaxOffset, "Content-Range fits a file offset");
  if (!range->size_bytes) return;
  require(range->last < *range->size_bytes, "Content-Range ends in the body");
  const http::ByteRange bytes{range->first, range->last - range->first + 1};
  require(http::parse_content_range(http::format_content_range(bytes, *range->size_bytes)) == range,
          "Content-Range reads back");
}

void check_conditions(std::string_view value) {
  constexpr std::string_view kEtag = "\"sha256:abc\"";
  require(!http::if_range_holds(value, kEtag) || http::none_match_hits(value, kEtag),
          "strong comparison implies weak");
  if (value.find('"') != std::string_view::npos) return;
  const std::string etag = '"' + std::string(value) + '"';
  require(http::none_match_hits(etag, etag), "a tag matches itself");
  require(http::none_match_hits("\"a,b\", W/" + etag, etag), "a tag matches itself in a list");
  require(http::if_range_holds(etag, etag), "If-Range holds for the same tag");
  require(!http::if_range_holds("W/" + etag, etag), "If-Range never holds for a weak tag");
}

void check(std::string_view text) {
  const std::uint64_t size_bytes = take_number(text);
  check_resolve(text, size_bytes);
  check_content_range(text);
  check_conditions(text);
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
