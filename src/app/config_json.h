// SPDX-License-Identifier: Apache-2.0
//
// JSON with // and /* */ comments as a plain tree. A key that appears twice in one object and
// nesting deeper than kMaxJsonDepth are faults too. Pure; the depth limit bounds every
// recursion over the tree.

#ifndef LAYBY_SRC_APP_CONFIG_JSON_H_
#define LAYBY_SRC_APP_CONFIG_JSON_H_

#include <string>
#include <string_view>
#include <vector>

#include "layby/app/config.h"

namespace layby::app {

inline constexpr std::size_t kMaxJsonDepth = 16;

struct JsonMember;

struct JsonValue {
  enum class Kind { kNull, kBoolean, kNumber, kText, kList, kObject };
  Kind kind = Kind::kNull;
  std::string text;  // The characters of a text; a number or boolean as written.
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;
  int line = 0;  // The line of the value; for a list or an object, its first line.
};

struct JsonMember {
  std::string name;
  JsonValue value;
  int line = 0;  // The line of the name.
};

// `root` is a complete object unless `broken`. If `broken`, a fault says where reading
// stopped. A text of only spaces and comments is an empty object.
struct JsonOutcome {
  JsonValue root;
  bool broken = false;
  std::vector<ConfigFault> faults;
};
JsonOutcome read_json(std::string_view text);

// How a message names a wrong value: "60", "\"80%\"", "a list".
std::string describe(const JsonValue& value);

// The line of the value that `path` ("upstreams[1].url") names. If the value is missing, the
// line of the innermost list or object on the path; 0 for the root.
int line_of(const JsonValue& root, std::string_view path);

// "cache" and "max_bytes" as "cache.max_bytes", fit for a terminal.
std::string join_path(const std::string& parent, std::string_view name);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_JSON_H_
