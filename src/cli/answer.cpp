// SPDX-License-Identifier: Apache-2.0
//
// No function here throws. A value of the wrong type counts as missing. Every path is a JSON
// pointer in the source of this program, never text from outside.

#include "cli/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdio>

#include "layby/base/bytes.h"
#include "layby/base/log.h"

namespace layby::cli {
namespace {

constexpr std::uint64_t kMinute = 60;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;

}  // namespace

Result<Json> parse_answer(std::string_view body) {
  Json json = Json::parse(body, nullptr, false);
  if (json.is_object()) return json;
  return Error{ErrorCode::kInvalid, "the daemon's answer is not JSON; is it another program?"};
}

const Json& at(const Json& object, const std::string& path) {
  static const Json kNull;
  assert(path.empty() || path.front() == '/');
  const Json::json_pointer pointer(path);
  return object.contains(pointer) ? object.at(pointer) : kNull;
}

std::uint64_t number(const Json& object, const std::string& path) {
  return known_number(object, path).value_or(0);
}

std::optional<std::uint64_t> known_number(const Json& object, const std::string& path) {
  const Json& value = at(object, path);
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<std::uint64_t>();
}

bool flag(const Json& object, const std::string& path) {
  const Json& value = at(object, path);
  return value.is_boolean() && value.get<bool>();
}

const Json& list(const Json& object, const std::string& path) {
  static const Json kNone = Json::array();
  const Json& value = at(object, path);
  return value.is_array() ? value : kNone;
}

std::string text(const Json& object, const std::string& path) {
  const Json& value = at(object, path);
  return value.is_string() ? log::printable(value.get<std::string>()) : "-";
}

std::string sentence(const Json& object, const std::string& path) {
  constexpr std::size_t kPiece = 100;  // printable() cuts a text after 200 characters.
  constexpr std::size_t kLongest = 2000;
  const Json& value = at(object, path);
  if (!value.is_string()) return "";
  const std::string whole = value.get<std::string>().substr(0, kLongest);
  std::string shown;
  for (std::size_t from = 0; from < whole.size(); from += kPiece) {
    shown += log::printable(whole.substr(from, kPiece));
  }
  return shown;
}

std::string bytes(const Json& object, const std::string& path) {
  return format_bytes(number(object, path));
}

std::string count(const Json& object, const std::string& path) {
  return std::to_string(number(object, path));
}

std::string how_many(std::uint64_t number, const std::string& thing) {
  return fmt::format("{} {}{}", number, thing, number == 1 ? "" : "s");
}

std::string duration(std::uint64_t seconds) {
  constexpr std::uint64_t kLongest = 1'000'000'000;
  return format_duration(std::chrono::seconds(std::min(seconds, kLongest)));
}

std::string age(std::uint64_t seconds) {
  if (seconds < kMinute) return std::to_string(seconds) + " s";
  if (seconds < kHour) return std::to_string(seconds / kMinute) + " min";
  if (seconds < 2 * kDay) return std::to_string(seconds / kHour) + " h";
  return std::to_string(seconds / kDay) + " d";
}

std::string spelled_duration(std::uint64_t seconds) {
  const auto both = [seconds](std::uint64_t unit, const char* name, std::uint64_t smaller) {
    const std::uint64_t rest = seconds % unit / smaller * smaller;
    return fmt::format("{}{}{}", seconds / unit, name, rest > 0 ? " " + age(rest) : "");
  };
  if (seconds >= kDay) return both(kDay, " d", kHour);
  if (seconds >= kHour) return both(kHour, " h", kMinute);
  return age(seconds);
}

std::string percent(double share) {
  std::array<char, 16> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.1f%%", share * 100);
  return buffer.data();
}

std::string bar(double share, int columns) {
  assert(columns >= 0);
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * columns);
  return fmt::format("[{}{}]", std::string(full, '#'), std::string(columns - full, '-'));
}

double share_of(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return 0;
  return std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace layby::cli
