// SPDX-License-Identifier: Apache-2.0
//
// JSON with // and /* */ comments as a plain tree. What the syntax allows and a
// configuration must not have is a fault here: a key that stands twice in one object,
// nesting without end. Pure; the depth limit bounds every recursion over the tree.

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
  std::string text;  // A text's characters; a number or boolean as it is written.
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;
  int line = 0;  // On which it stands; of a list or an object, on which it begins.
};

struct JsonMember {
  std::string name;
  JsonValue value;
  int line = 0;  // That of the name.
};

// `root` is an object and complete unless `broken`: then a fault says where reading
// stopped. Text of nothing but space and comments is an empty object.
struct JsonOutcome {
  JsonValue root;
  bool broken = false;
  std::vector<ConfigFault> faults;
};
JsonOutcome read_json(std::string_view text);

// "60", "\"80%\"", "a list": how a message names a value that is wrong.
std::string describe(const JsonValue& value);

// The line of what `path` ("upstreams[1].url") names, or of what it would stand in; 0 when
// that is all of the text.
int line_of(const JsonValue& root, std::string_view path);

// "cache" and "max_bytes" as "cache.max_bytes", fit for a terminal.
std::string join_path(const std::string& parent, std::string_view name);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_JSON_H_
