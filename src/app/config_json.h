// SPDX-License-Identifier: Apache-2.0
//
// Reads JSON with // and /* */ comments into a plain tree. Faults are wrong syntax, a key that
// appears twice in one object, and nesting deeper than kMaxJsonDepth. The depth limit bounds every
// recursion over the tree. Pure.

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
  std::string text;  // A text's characters; a number or boolean as in the file.
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;
  int line = 0;  // The line of the value; for a list or an object, its first line.
};

struct JsonMember {
  std::string name;
  JsonValue value;
  int line = 0;  // The line of the name.
};

// If `broken`, `root` is incomplete, and a fault says where reading stopped. Otherwise `root` is
// an object. A text of only spaces and comments gives an empty object.
struct JsonOutcome {
  JsonValue root;
  bool broken = false;
  std::vector<ConfigFault> faults;
};
JsonOutcome read_json(std::string_view text);

// How a message names a wrong value: "60", "\"80%\"", "a list".
std::string describe(const JsonValue& value);

// The line of the value that `path` ("upstreams[1].url") names. For a missing value, returns the
// line of the innermost list or object on the path, or 0 if only the root exists.
int line_of(const JsonValue& root, std::string_view path);

// Joins "cache" and "max_bytes" to "cache.max_bytes", in characters that a terminal can print.
std::string join_path(const std::string& parent, std::string_view name);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_JSON_H_
