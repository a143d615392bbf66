// SPDX-License-Identifier: Apache-2.0
//
// A record is an event in the form for people and for the journal: a kind, a severity, a
// sentence and named fields. src/events/record.cpp declares these four for each kind of event.
// The log, the journal and the API show records.

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

// The log's word for a severity: "debug", "info", "warn" or "error".
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
// Whether the journal keeps the event. Events that are frequent by nature, such as hits, are not
// kept.
bool is_kept(const Event& event);

// The record of an event. The record's number is 0, because the ring gives the numbers.
Record record_of(const Event& event, WallTime at);

// to_json() returns one line of JSON without a line end. parse_record() returns the record of
// such a line, with its time cut to milliseconds, and nullopt for any other line.
std::string to_json(const Record& record);
std::optional<Record> parse_record(std::string_view line);

}  // namespace layby::events

#endif  // LAYBY_EVENTS_RECORD_H_
