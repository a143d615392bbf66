// SPDX-License-Identifier: Apache-2.0
//
// Small values: sizes, durations, dates, Retry-After, quotas, image names, tag patterns,
// windows of the day and log text. The input is an eight-byte number, then a text. The number
// is formatted and read back; the text is parsed and formatted.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "layby/base/bytes.h"
#include "layby/base/log.h"
#include "layby/base/number.h"
#include "layby/http/date.h"
#include "layby/oci/reference.h"
#include "layby/policy/day_window.h"
#include "layby/policy/quota.h"
#include "layby/policy/tag_pattern.h"
#include "require.h"

namespace layby::fuzz {
namespace {

void check_bytes(std::string_view text) {
  const Result<std::uint64_t> size = parse_bytes(text);
  if (!size) return;
  const Result<std::uint64_t> again = parse_bytes(std::to_string(*size));
  require(again && *again == *size, "a size reads back");
}

void check_duration(std::string_view text) {
  const Result<std::chrono::milliseconds> duration = parse_duration(text);
  if (!duration) return;
  require(duration->count() >= 0, "a duration has no sign");
  const auto again = parse_duration(std::to_string(duration->count()) + "ms");
  require(again && *again == *duration, "a duration reads back");
}

// A size shown to people is off by at most half of its last digit: 5% of "1.0 MB".
void check_shown_size(std::uint64_t bytes) {
  const std::string shown = format_bytes(bytes);
  require(shown.size() <= 7, "a shown size is short");
  const Result<std::uint64_t> again = parse_bytes(shown);
  if (!again) return;  // The unit is larger than a configuration may use.
  const double difference = std::abs(static_cast<double>(*again) - static_cast<double>(bytes));
  require(difference <= 0.05 * static_cast<double>(bytes), "a shown size is close to the size");
}

void check_dates(std::string_view text, std::uint64_t number) {
  const WallTime now{std::chrono::nanoseconds(static_cast<std::int64_t>(number))};
  if (const auto date = http::parse_date(text)) {
    require(http::format_date(*date) == text, "a date reads back");
  }
  const auto wait = http::parse_retry_after(text, now);
  require(!wait || (wait->count() >= 0 && *wait <= std::chrono::hours(24 * 365)),
          "a wait has bounds");
  const auto again = http::parse_date(http::format_date(now));
  // WallTime's first and last year are incomplete, so dates in these years are refused.
  require(!again || *again == std::chrono::floor<std::chrono::seconds>(now),
          "a formatted time reads back");
}

void check_quota(std::string_view text) {
  const auto quota = policy::parse_quota(text);
  if (!quota) return;
  require(quota->window.count() >= 0, "a window has no sign");
  require(policy::parse_quota(std::to_string(quota->count) +
                              ";w=" + std::to_string(quota->window.count())) == quota,
          "a quota reads back");
}

void check_image_name(std::string_view text) {
  const auto name = oci::parse_image_name(text);
  require(!name || oci::parse_image_name(oci::to_string(*name)) == name, "an image reads back");
}

// The first half of `text` is a pattern, the second half is a tag. A pattern of one exact tag
// matches that tag, and a version equals itself.
void check_tag_pattern(std::string_view text) {
  const auto pattern = policy::TagPattern::parse(text.substr(0, text.size() / 2));
  if (!pattern) return;
  const std::string_view tag = text.substr(text.size() / 2);
  pattern->matches(tag);
  const auto exact = pattern->exact();
  require(!exact || pattern->matches(*exact), "an exact pattern matches its tag");
  if (tag.find(' ') != std::string_view::npos) return;  // A tag has no space.
  const auto same = policy::TagPattern::parse("=" + std::string(tag));
  require(!same || same->matches(tag), "a version is equal to itself");
}

void check_window(std::string_view text, std::uint64_t number) {
  const auto window = policy::DayWindow::parse(text);
  if (!window) return;
  const std::chrono::seconds time{number % 86'400};
  require(policy::DayWindow::parse(window->text())->text() == window->text(),
          "a window reads back");
  const bool inside = window->contains(time);
  require(inside == (window->until_begin(time).count() == 0),
          "the begin is now exactly while inside");
  require(inside == (window->until_end(time).count() > 0), "the end is ahead exactly while inside");
  require(window->contains((time + window->until_begin(time)) % std::chrono::seconds(86'400)),
          "the window contains the time after the wait");
}

void check_printable(std::string_view text) {
  const std::string shown = log::printable(text);
  require(shown.size() <= 803, "log text is short");
  require(std::all_of(shown.begin(), shown.end(), [](char c) { return c >= 0x20 && c <= 0x7e; }),
          "log text is printable");
}

void check(std::string_view text) {
  const std::uint64_t number = take_number(text);
  require(parse_number(std::to_string(number)) == number, "a number reads back");
  require(!format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(number))).empty(),
          "a duration is shown");
  check_shown_size(number);
  check_bytes(text);
  check_duration(text);
  check_dates(text, number);
  check_quota(text);
  check_image_name(text);
  check_tag_pattern(text);
  check_window(text, number);
  check_printable(text);
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
