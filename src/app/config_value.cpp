// SPDX-License-Identifier: Apache-2.0
//
// Each value is checked by itself. A wrong text is stored too, so that later checks of several
// keys don't report the text as missing.

#include "app/config_value.h"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "app/config_text.h"
#include "layby/base/bytes.h"
#include "layby/base/number.h"
#include "layby/policy/freshness.h"

namespace layby::app {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::uint64_t factor;
  const char* name;
};

std::optional<int> parse_percent(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  const std::optional<std::uint64_t> value = parse_number(text);
  if (!value || *value > 100) return std::nullopt;
  return static_cast<int>(*value);
}

// Reads a size: a whole number of bytes, or a text with a unit.
std::optional<std::uint64_t> read_bytes(const JsonValue& value, std::string_view suffix = "") {
  if (value.kind == JsonValue::Kind::kNumber) return parse_number(value.text);
  if (value.kind != JsonValue::Kind::kText) return std::nullopt;
  std::string_view text = value.text;
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  const Result<std::uint64_t> bytes = parse_bytes(text);
  return bytes ? std::optional(*bytes) : std::nullopt;
}

class Setter {
 public:
  Setter(const Key& key, const JsonValue& value, Slot slot, const std::string& path,
         std::vector<ConfigFault>& faults)
      : key_(key), value_(value), slot_(slot), path_(path), faults_(faults) {}

  void operator()(Place<std::string> place) {
    if (value_.kind != JsonValue::Kind::kText) return expected("a text in quotes");
    place(slot_) = normal_text(key_.kind, value_.text);
    const std::string complaint = check_text(key_.kind, value_.text);
    if (!complaint.empty()) fault(complaint);
  }

  void operator()(Place<bool> place) {
    if (value_.kind != JsonValue::Kind::kBoolean) return expected("true or false");
    place(slot_) = value_.text == "true";
  }

  void operator()(Place<int> place) {
    const std::optional<std::uint64_t> number =
        value_.kind == JsonValue::Kind::kNumber ? parse_number(value_.text) : std::nullopt;
    if (!number) return expected("a whole number");
    if (outside(*number)) return out_of_range(as_number);
    assert(*number <= std::numeric_limits<int>::max());  // The range of a count fits in an int.
    place(slot_) = static_cast<int>(*number);
  }

  void operator()(Place<policy::QuotaReserve> place) {
    if (value_.kind == JsonValue::Kind::kText) {
      const std::optional<int> percent = parse_percent(value_.text);
      if (!percent) return expected("\"20%\", or a whole number");
      place(slot_) = {*percent, 0};
      return;
    }
    const std::optional<std::uint64_t> number =
        value_.kind == JsonValue::Kind::kNumber ? parse_number(value_.text) : std::nullopt;
    if (!number) return expected("\"20%\", or a whole number");
    if (outside(*number)) return out_of_range(as_number);
    place(slot_) = {0, *number};
  }

  void operator()(Place<std::uint64_t> place) {
    if (key_.kind == Kind::kRate) return set_rate(place(slot_));
    const std::optional<std::uint64_t> bytes = read_bytes(value_);
    if (!bytes) return expected("a size such as \"256KiB\", or a number of bytes");
    if (outside(*bytes)) return out_of_range(bytes_text);
    place(slot_) = *bytes;
  }

  void operator()(Place<policy::SpaceLimit> place) {
    if (value_.kind == JsonValue::Kind::kText) {
      const std::optional<int> percent = parse_percent(value_.text);
      if (percent && *percent == 0 && key_.range.least > 0) return fault("must be at least \"1%\"");
      if (percent) {
        place(slot_) = {*percent, 0};
        return;
      }
    }
    const std::optional<std::uint64_t> bytes = read_bytes(value_);
    if (!bytes) return expected("\"80%\", a size such as \"20GiB\", or a number of bytes");
    if (outside(*bytes)) return out_of_range(bytes_text);
    place(slot_) = {0, *bytes};
  }

  void operator()(Place<milliseconds> place) {
    if (key_.kind == Kind::kLifetime && value_.text == "forever") {
      place(slot_) = policy::kForever;
      return;
    }
    constexpr const char* kWanted = "a duration in quotes, such as \"500ms\", \"60s\", \"5m\"";
    if (value_.kind != JsonValue::Kind::kText) return expected(kWanted);
    const Result<milliseconds> duration = parse_duration(value_.text);
    if (!duration) return expected(kWanted);
    assert(duration->count() >= 0);
    if (outside(static_cast<std::uint64_t>(duration->count()))) return out_of_range(as_duration);
    place(slot_) = *duration;
  }

  void operator()(Place<std::vector<std::string>> place) {
    if (value_.kind != JsonValue::Kind::kList) return expected("a list of texts, [\"…\", …]");
    std::vector<std::string> texts;
    for (const JsonValue& item : value_.items) {
      const std::string path = fmt::format("{}[{}]", path_, texts.size());
      texts.push_back(item.kind == JsonValue::Kind::kText ? item.text : "");
      if (item.kind != JsonValue::Kind::kText) {
        faults_.push_back({path, "must be a text in quotes, not " + describe(item)});
        continue;
      }
      const std::string complaint = check_text(key_.kind, item.text);
      if (!complaint.empty()) faults_.push_back({path, complaint});
    }
    if (texts.size() < key_.range.least) {
      fault(key_.kind == Kind::kPatterns ? "allows nothing; write [\"*\"] to allow everything"
                                         : "is empty; write at least one, or leave it out");
    }
    place(slot_) = std::move(texts);
  }

  void operator()(const Objects&) {}

 private:
  static std::string as_number(std::uint64_t value) { return std::to_string(value); }
  static std::string as_duration(std::uint64_t value) {
    return duration_text(milliseconds(static_cast<std::int64_t>(value)));
  }

  // A rate is 0 (no limit) or at least kLeastRate. A Range can't express this rule.
  void set_rate(std::uint64_t& rate) {
    const std::optional<std::uint64_t> bytes = read_bytes(value_, "/s");
    if (!bytes) return expected("a rate such as \"2MB/s\", or a number of bytes a second");
    rate = *bytes;
    if (rate == 0 || rate >= kLeastRate) return;
    fault(fmt::format("must be 0 for no limit, or at least {} a second, not {}",
                      bytes_text(kLeastRate), describe(value_)));
  }

  bool outside(std::uint64_t value) const {
    return value < key_.range.least || value > key_.range.most;
  }
  void fault(std::string message) { faults_.push_back({path_, std::move(message)}); }
  void expected(const std::string& what) {
    fault(fmt::format("must be {}, not {}", what, describe(value_)));
  }
  void out_of_range(std::string (*text)(std::uint64_t)) {
    const bool open = key_.range.most == Range{}.most;
    const std::string least = text(key_.range.least);
    expected(open ? fmt::format("at least {}", least)
                  : fmt::format("between {} and {}", least, text(key_.range.most)));
  }

  const Key& key_;
  const JsonValue& value_;
  Slot slot_;
  const std::string& path_;
  std::vector<ConfigFault>& faults_;
};

}  // namespace

void set_value(const Key& key, const JsonValue& value, Slot slot, const std::string& path,
               std::vector<ConfigFault>& faults) {
  assert(key.kind != Kind::kObjects);
  std::visit(Setter(key, value, slot, path, faults), key.field);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<Unit, 4> kUnits{
      {{1ULL << 40, "TiB"}, {1ULL << 30, "GiB"}, {1ULL << 20, "MiB"}, {1ULL << 10, "KiB"}}};
  for (const Unit& unit : kUnits) {
    if (bytes > 0 && bytes % unit.factor == 0) {
      return std::to_string(bytes / unit.factor) + unit.name;
    }
  }
  return std::to_string(bytes);
}

// Uses the largest unit that gives a whole number above 1: a minute is "60s", not "1m". Only a
// second has the number 1.
std::string duration_text(milliseconds duration) {
  if (duration == policy::kForever) return "forever";
  constexpr std::array<Unit, 4> kUnits{
      {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}}};
  assert(duration.count() >= 0);
  const auto count = static_cast<std::uint64_t>(duration.count());
  if (count == 0) return "0s";
  for (const Unit& unit : kUnits) {
    const bool is_second = unit.factor == 1'000;
    if (count % unit.factor == 0 && (is_second || count > unit.factor)) {
      return std::to_string(count / unit.factor) + unit.name;
    }
  }
  return std::to_string(count) + "ms";
}

std::string limit_text(const policy::SpaceLimit& limit) {
  return limit.percent > 0 ? fmt::format("{}%", limit.percent) : bytes_text(limit.bytes);
}

}  // namespace layby::app
