// SPDX-License-Identifier: Apache-2.0
//
// An event as it is told to people and kept: a kind, a severity, a sentence and named
// fields. src/events/record.cpp declares all of that once for each kind; the log, the
// journal and the API come from there.

#ifndef LAYBY_EVENTS_RECORD_H_
#define LAYBY_EVENTS_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "layby/base/clock.h"
#include "layby/events/event.h"

namespace layby::events {

enum class Severity { kDebug, kInfo, kWarning, kError };

// "debug", "info", "warn", "error": the log's words.
std::string_view to_string(Severity severity);

using FieldValue = std::variant<std::string, std::uint64_t, bool>;
using Fields = std::vector<std::pair<std::string, FieldValue>>;

struct Record {
  std::uint64_t number = 0;  // Rises from each record to the next, across restarts.
  WallTime at{};
  Severity severity = Severity::kInfo;
  std::string kind;  // "blob.published"
  std::string text;  // One sentence without a full stop, for people.
  Fields fields;
  bool operator==(const Record&) const = default;
};

// The kind of an event: "blob.published".
std::string_view kind_of(const Event& event);
Severity severity_of(const Event& event);
// Whether the journal keeps the event. Events that come with each request are not kept.
bool is_kept(const Event& event);

// Without a number.
Record record_of(const Event& event, WallTime at);

// One line of JSON, without a line end. parse_record() gives the same record back, with the
// time in milliseconds; nullopt for anything else.
std::string to_json(const Record& record);
std::optional<Record> parse_record(std::string_view line);

}  // namespace layby::events

#endif  // LAYBY_EVENTS_RECORD_H_
