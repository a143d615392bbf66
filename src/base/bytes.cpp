// SPDX-License-Identifier: Apache-2.0
//
// Converts sizes and durations to and from text, in integer arithmetic: a double would lose bytes
// above 2^53 and would print by locale. Every multiplication is checked or bounded, because the
// text comes from a configuration.

#include "layby/base/bytes.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

#include "layby/base/encoding.h"
#include "layby/base/number.h"

namespace layby {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 10> kByteUnits{{{"", 1},
                                           {"b", 1},
                                           {"kb", 1'000},
                                           {"mb", 1'000'000},
                                           {"gb", 1'000'000'000},
                                           {"tb", 1'000'000'000'000},
                                           {"kib", 1ULL << 10},
                                           {"mib", 1ULL << 20},
                                           {"gib", 1ULL << 30},
                                           {"tib", 1ULL << 40}}};

constexpr std::array<Unit, 5> kDurationUnits{
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

// Six digits times the largest unit (2^40) stay below 2^64.
constexpr std::size_t kMaxFractionDigits = 6;

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

// "1.5 GiB" as "1", "5" and "gib" (the unit in lower case).
struct Quantity {
  std::string_view whole;
  std::string_view fraction;
  bool has_fraction = false;
  std::string unit;
};

std::string_view take_digits(std::string_view& text) {
  const std::size_t length = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, length);
  text.remove_prefix(length);
  return digits;
}

Quantity split(std::string_view text) {
  Quantity quantity;
  quantity.whole = take_digits(text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    quantity.has_fraction = true;
    quantity.fraction = take_digits(text);
  }
  if (text.size() > 1 && text.front() == ' ') text.remove_prefix(1);
  quantity.unit = to_lower_case(text);
  return quantity;
}

template <std::size_t N>
std::optional<std::uint64_t> factor_of(const std::array<Unit, N>& units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return std::nullopt;
}

// `fraction` has the digits after the point. Returns this fraction of `factor`, rounded down: 512
// for "5" (0.5) and 1024.
std::optional<std::uint64_t> fraction_of(std::string_view fraction, std::uint64_t factor) {
  if (fraction.size() > kMaxFractionDigits || factor == 1) return std::nullopt;
  const std::optional<std::uint64_t> digits = parse_number(fraction);
  if (!digits) return std::nullopt;
  std::uint64_t scale = 1;
  for (std::size_t i = 0; i < fraction.size(); ++i) scale *= 10;
  return *digits * factor / scale;
}

// a * b + c; nullopt above 2^64 - 1.
std::optional<std::uint64_t> multiply_add(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  assert(b > 0);
  if (a > (kMax - c) / b) return std::nullopt;
  return a * b + c;
}

Error refused(std::string_view text, std::string_view why) {
  std::string message("\"");
  message.append(text).append("\" ").append(why);
  return {ErrorCode::kInvalid, std::move(message)};
}

Error not_a_size(std::string_view text) {
  return refused(text, "is not a size: write 4096, 64KiB, 1.5GiB or 2MB");
}

Error not_a_duration(std::string_view text) {
  return refused(text, "is not a duration: write 500ms, 60s, 5m, 6h or 7d");
}

std::string with_unit(std::uint64_t number, std::string_view unit) {
  return std::to_string(number).append(unit);
}

// A number of tenths as "3.8", "29.8" or "162". Numbers below 999.5 have at most three digits.
std::string three_digits(std::uint64_t tenths) {
  if (tenths >= 1000) return std::to_string((tenths + 5) / 10);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

// `bytes` in tenths of `unit`, rounded. A unit above 10^18 would overflow.
std::uint64_t tenths_of(std::uint64_t bytes, std::uint64_t unit) {
  assert(unit > 0 && unit <= 1'000'000'000'000'000'000);
  return bytes / unit * 10 + (bytes % unit * 10 + unit / 2) / unit;
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const Quantity quantity = split(text);
  const std::optional<std::uint64_t> whole = parse_number(quantity.whole);
  const std::optional<std::uint64_t> factor = factor_of(kByteUnits, quantity.unit);
  if (!whole || !factor) return not_a_size(text);
  std::optional<std::uint64_t> rest = 0;
  if (quantity.has_fraction) rest = fraction_of(quantity.fraction, *factor);
  if (!rest) return not_a_size(text);
  const std::optional<std::uint64_t> bytes = multiply_add(*whole, *factor, *rest);
  if (!bytes) return not_a_size(text);
  return *bytes;
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::uint64_t kLongest = std::numeric_limits<std::int64_t>::max() / 1'000'000;
  const Quantity quantity = split(text);
  const std::optional<std::uint64_t> number = parse_number(quantity.whole);
  const std::optional<std::uint64_t> factor = factor_of(kDurationUnits, quantity.unit);
  if (quantity.has_fraction || !number || !factor) return not_a_duration(text);
  // A clock in nanoseconds covers at most 292 years.
  if (*number > kLongest / *factor) return not_a_duration(text);
  return std::chrono::milliseconds(static_cast<std::int64_t>(*number * *factor));
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<Unit, 6> kUnits{{{" kB", 1'000},
                                        {" MB", 1'000'000},
                                        {" GB", 1'000'000'000},
                                        {" TB", 1'000'000'000'000},
                                        {" PB", 1'000'000'000'000'000},
                                        {" EB", 1'000'000'000'000'000'000}}};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  for (const Unit& unit : kUnits) {
    const std::uint64_t tenths = tenths_of(bytes, unit.factor);
    // 9995 tenths would print as "1000": the next unit says "1.0".
    if (tenths < 9995) return three_digits(tenths) + std::string(unit.name);
  }
  assert(false && "2^64 bytes are 18.4 EB");
  return "";
}

std::string format_duration(std::chrono::milliseconds duration) {
  constexpr std::array<Unit, 4> kUnits{
      {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}}};
  if (duration.count() < 0) {
    // The lowest duration has no positive counterpart: show the duration above it instead.
    const auto lowest = -std::chrono::milliseconds::max();
    return std::string("-").append(format_duration(-std::max(duration, lowest)));
  }
  const auto count = static_cast<std::uint64_t>(duration.count());
  if (count < 1'000) return with_unit(count, " ms");
  if (count < 10'000) return three_digits(count / 100).append("s");
  for (std::size_t i = 0; i + 1 < kUnits.size(); ++i) {
    const std::uint64_t major = count / kUnits[i].factor;
    if (major == 0) continue;
    const std::uint64_t minor = count % kUnits[i].factor / kUnits[i + 1].factor;
    const std::string text = with_unit(major, kUnits[i].name);
    return minor == 0 ? text : text + ' ' + with_unit(minor, kUnits[i + 1].name);
  }
  return with_unit(count / 1'000, "s");
}

}  // namespace layby
