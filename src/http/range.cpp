// SPDX-License-Identifier: Apache-2.0
//
// Range and Content-Range (RFC 9110 sections 14.1.2 and 14.4). Invariants: each ByteRange
// from resolve_range() has length >= 1 and ends within the body, and no byte is in two of them. An
// unreadable Range is no error: the RFC lets a server ignore Range, so such a request gets the
// whole body.

#include "layby/http/range.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <limits>

#include "layby/base/number.h"
#include "layby/http/headers.h"

namespace layby::http {
namespace {

// Parses a position with any number of digits. A position of 2^64 or more becomes the largest
// number, which is also beyond the end of every body.
std::uint64_t parse_saturated(std::string_view digits) {
  return parse_number(digits).value_or(std::numeric_limits<std::uint64_t>::max());
}

// Parses a position in an answer; nullopt above the largest off_t, so that last + 1 can't wrap.
std::optional<std::uint64_t> parse_position(std::string_view digits) {
  const std::optional<std::uint64_t> position = parse_number(digits);
  if (!position || *position > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return std::nullopt;
  }
  return position;
}

// The text after "bytes" and `separator`; nullopt for another unit.
std::optional<std::string_view> after_unit(std::string_view value, char separator) {
  const std::size_t end = value.find(separator);
  if (end == std::string_view::npos) return std::nullopt;
  if (!equals_ignoring_case(value.substr(0, end), "bytes")) return std::nullopt;
  return trim(value.substr(end + 1));
}

// Whether `range` is not empty and ends within a body of `size_bytes`.
[[maybe_unused]] bool lies_within(const ByteRange& range, std::uint64_t size_bytes) {
  return range.length > 0 && range.length <= size_bytes && range.first <= size_bytes - range.length;
}

// What one range of a request asks for. WholeBody means that Range must be ignored.
using OneRange = std::variant<WholeBody, ByteRange, Unsatisfiable>;

// Resolves a range like "-500", which means the last 500 bytes.
OneRange resolve_suffix(std::string_view digits, std::uint64_t size_bytes) {
  if (!is_digits(digits)) return WholeBody{};
  const std::uint64_t wanted = parse_saturated(digits);
  if (wanted == 0) return Unsatisfiable{};
  // The last bytes of an empty body are an empty range, which no Content-Range can state.
  if (size_bytes == 0) return WholeBody{};
  const std::uint64_t length = std::min(wanted, size_bytes);
  const ByteRange range{size_bytes - length, length};
  assert(lies_within(range, size_bytes));
  return range;
}

// Resolves a range like "0-499", "500-" or "-500".
OneRange resolve_one(std::string_view spec, std::uint64_t size_bytes) {
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return WholeBody{};
  const std::string_view from = spec.substr(0, dash);
  const std::string_view to = spec.substr(dash + 1);
  if (from.empty()) return resolve_suffix(to, size_bytes);
  if (!is_digits(from) || (!to.empty() && !is_digits(to))) return WholeBody{};
  const std::uint64_t first = parse_saturated(from);
  const std::uint64_t last =
      to.empty() ? std::numeric_limits<std::uint64_t>::max() : parse_saturated(to);
  if (first > last) return WholeBody{};
  if (first >= size_bytes) return Unsatisfiable{};
  const ByteRange range{first, std::min(last, size_bytes - 1) - first + 1};
  assert(lies_within(range, size_bytes));
  return range;
}

// A range, and its place in the request.
struct PlacedRange {
  ByteRange range;
  std::size_t place;
};

// Joins ranges that overlap. A joined range takes the first place of its ranges.
ByteRanges without_overlaps(const ByteRanges& ranges) {
  std::vector<PlacedRange> sorted;
  sorted.reserve(ranges.size());
  for (const ByteRange& range : ranges) sorted.push_back({range, sorted.size()});
  std::sort(sorted.begin(), sorted.end(), [](const PlacedRange& a, const PlacedRange& b) {
    return a.range.first < b.range.first;
  });
  std::size_t count = 0;  // The first `count` ranges of `sorted` don't overlap.
  for (const PlacedRange& next : sorted) {
    PlacedRange* const before = count > 0 ? &sorted[count - 1] : nullptr;
    if (before == nullptr || next.range.first - before->range.first >= before->range.length) {
      sorted[count++] = next;
      continue;
    }
    const std::uint64_t ahead = next.range.first - before->range.first;
    before->range.length = std::max(before->range.length, ahead + next.range.length);
    before->place = std::min(before->place, next.place);
  }
  sorted.resize(count);
  std::sort(sorted.begin(), sorted.end(),
            [](const PlacedRange& a, const PlacedRange& b) { return a.place < b.place; });
  ByteRanges joined;
  joined.reserve(count);
  for (const PlacedRange& placed : sorted) joined.push_back(placed.range);
  return joined;
}

// Takes the next member from the list (RFC 9110, section 5.6.1), without spaces around it.
std::string_view take_member(std::string_view& list) {
  const std::size_t comma = std::min(list.find(','), list.size());
  const std::string_view member = trim(list.substr(0, comma));
  list.remove_prefix(std::min(comma + 1, list.size()));
  return member;
}

}  // namespace

RangeDecision resolve_range(std::optional<std::string_view> value, std::uint64_t size_bytes) {
  if (!value) return WholeBody{};
  std::optional<std::string_view> list = after_unit(trim(*value), '=');
  if (!list) return WholeBody{};
  ByteRanges ranges;
  std::size_t asked = 0;
  while (!list->empty()) {
    const std::string_view spec = take_member(*list);
    if (spec.empty()) continue;  // A recipient must accept empty members.
    if (++asked > kMostRanges) return WholeBody{};
    const OneRange one = resolve_one(spec, size_bytes);
    if (std::holds_alternative<WholeBody>(one)) return WholeBody{};
    if (const auto* range = std::get_if<ByteRange>(&one)) ranges.push_back(*range);
  }
  if (asked == 0) return WholeBody{};
  if (ranges.empty()) return Unsatisfiable{};
  if (ranges.size() > 1) ranges = without_overlaps(ranges);
  if (ranges.size() == 1) return ranges.front();
  return ranges;
}

std::string format_content_range(const ByteRange& range, std::uint64_t size_bytes) {
  assert(lies_within(range, size_bytes));
  return "bytes " + std::to_string(range.first) + "-" +
         std::to_string(range.first + range.length - 1) + "/" + std::to_string(size_bytes);
}

std::optional<ContentRange> parse_content_range(std::string_view value) {
  const std::optional<std::string_view> spec = after_unit(trim(value), ' ');
  if (!spec) return std::nullopt;
  const std::size_t dash = spec->find('-');
  const std::size_t slash = spec->find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) {
    return std::nullopt;
  }
  const auto first = parse_position(spec->substr(0, dash));
  const auto last = parse_position(spec->substr(dash + 1, slash - dash - 1));
  const std::string_view size = spec->substr(slash + 1);
  if (!first || !last || *first > *last) return std::nullopt;
  if (size == "*") return ContentRange{*first, *last, std::nullopt};
  const auto size_bytes = parse_position(size);
  if (!size_bytes || *last >= *size_bytes) return std::nullopt;
  return ContentRange{*first, *last, size_bytes};
}

}  // namespace layby::http
