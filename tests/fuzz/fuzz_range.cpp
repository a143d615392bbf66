// SPDX-License-Identifier: Apache-2.0
//
// Range, Content-Range, If-Range and If-None-Match. The input is eight bytes for the body's size,
// then the header's value. A served range always is within the body.

#include <limits>
#include <string>
#include <variant>

#include "layby/http/conditional.h"
#include "layby/http/range.h"
#include "require.h"

namespace layby::fuzz {
namespace {

constexpr std::uint64_t kMaxOffset = std::numeric_limits<std::int64_t>::max();

void check_resolve(std::string_view value, std::uint64_t size_bytes) {
  const http::RangeDecision decision = http::resolve_range(value, size_bytes);
  const auto* range = std::get_if<http::ByteRange>(&decision);
  if (range == nullptr) return;
  require(range->length >= 1, "a range isn't empty");
  require(range->first < size_bytes, "a range begins in the body");
  require(range->length <= size_bytes - range->first, "a range ends in the body");
  if (size_bytes > kMaxOffset) return;
  const http::ContentRange expected{range->first, range->first + range->length - 1, size_bytes};
  require(http::parse_content_range(http::format_content_range(*range, size_bytes)) == expected,
          "Content-Range reads back");
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
