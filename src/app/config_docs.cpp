// SPDX-License-Identifier: Apache-2.0
//
// What is printed from the table of keys: the configuration in effect, the reference
// in Markdown, the JSON schema. Defaults are those of a default Config.

#include <nlohmann/json.hpp>
#include <sstream>

#include "app/config_keys.h"
#include "app/config_value.h"
#include "layby/app/config.h"

namespace layby::app {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;

// What a reader is told of each kind, and what a schema says.
struct KindWords {
  const char* text;
  Json schema;
};

Json text_or_bytes() {
  return {{"oneOf",
           {{{"type", "string"}, {"pattern", "^[0-9]+(\\.[0-9]+)? ?([KMGTkmgt]?[iI]?[bB])?$"}},
            {{"type", "integer"}, {"minimum", 0}}}}};
}

Json size_limit() {
  Json schema = text_or_bytes();
  schema["oneOf"].push_back({{"type", "string"}, {"pattern", "^[0-9]{1,3}%$"}});
  return schema;
}

KindWords words_of(Kind kind) {
  const Json text = {{"type", "string"}};
  switch (kind) {
    case Kind::kAddress:
      return {"address and port", text};
    case Kind::kDirectory:
    case Kind::kSocketPath:
      return {"absolute path", text};
    case Kind::kFile:
    case Kind::kReadableFile:
      return {"absolute path, or empty", text};
    case Kind::kUrl:
      return {"http or https URL", {{"type", "string"}, {"pattern", "^https?://"}}};
    case Kind::kOptionalUrl:
      return {"http or https URL, or empty", {{"type", "string"}, {"pattern", "^(https?://.*)?$"}}};
    case Kind::kName:
      return {"host", {{"type", "string"}, {"pattern", "^[a-z0-9.:_-]+$"}}};
    case Kind::kUser:
      return {"text, or empty", text};
    case Kind::kLevel:
      return {"level", {{"enum", {"debug", "info", "warn", "error"}}}};
    case Kind::kPatterns:
      return {"list of patterns",
              {{"type", "array"},
               {"minItems", 1},
               {"items", {{"type", "string"}, {"pattern", "^[a-z0-9._/*-]+$"}}}}};
    case Kind::kCount:
      return {"number", {{"type", "integer"}}};
    case Kind::kBytes:
      return {"size", text_or_bytes()};
    case Kind::kSizeLimit:
      return {"size or share", size_limit()};
    case Kind::kDuration:
      return {"duration", {{"type", "string"}, {"pattern", "^[0-9]+ ?(ms|s|m|h|d)$"}}};
    case Kind::kUpstreams:
      return {"list of objects", {{"type", "array"}, {"minItems", 1}}};
  }
  return {"", Json::object()};
}

// A value as a configuration would write it.
struct ToJson {
  Slot slot;
  Json operator()(Place<std::string> place) const { return place(slot); }
  Json operator()(Place<int> place) const { return place(slot); }
  Json operator()(Place<std::uint64_t> place) const { return bytes_text(place(slot)); }
  Json operator()(Place<SizeLimit> place) const { return limit_text(place(slot)); }
  Json operator()(Place<milliseconds> place) const { return duration_text(place(slot)); }
  Json operator()(Place<std::vector<std::string>> place) const { return place(slot); }
  Json operator()(Place<std::vector<UpstreamConfig>>) const { return Json::array(); }
};

bool is_of_upstream(const Key& key) { return key.path.starts_with(kUpstreamPrefix); }

std::string section_of(const Key& key) {
  const std::size_t dot = key.path.rfind('.');
  return dot == std::string_view::npos ? "" : std::string(key.path.substr(0, dot));
}

std::string name_of(const Key& key) {
  return std::string(key.path.substr(key.path.rfind('.') + 1));
}

Json upstream_json(Config& config, std::size_t index) {
  Json object = Json::object();
  for (const Key& key : config_keys()) {
    if (is_of_upstream(key)) object[name_of(key)] = std::visit(ToJson{{config, index}}, key.field);
  }
  return object;
}

Json upstreams_json(Config& config) {
  Json list = Json::array();
  for (std::size_t i = 0; i < config.upstreams.size(); ++i)
    list.push_back(upstream_json(config, i));
  return list;
}

// The place for `key` in an object of sections.
Json& member(Json& root, const Key& key) {
  const std::string section = section_of(key);
  return section.empty() ? root[name_of(key)] : root[section][name_of(key)];
}

Json value_json(const Key& key, Config& config) {
  return key.kind == Kind::kUpstreams ? upstreams_json(config)
                                      : std::visit(ToJson{{config, 0}}, key.field);
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// "10ms to 1h", or nothing where any value will do.
std::string range_text(const Key& key) {
  const auto text = [&](std::uint64_t value) {
    if (key.kind == Kind::kDuration) {
      return duration_text(milliseconds(static_cast<std::int64_t>(value)));
    }
    return key.kind == Kind::kCount ? std::to_string(value) : bytes_text(value);
  };
  if (key.range.most == Range{}.most) {
    return key.range.least == 0 ? "" : ", at least " + text(key.range.least);
  }
  return ", " + text(key.range.least) + " to " + text(key.range.most);
}

constexpr const char* kIntroduction = R"(# Configuration

<!-- Printed by `layby config reference` from src/app/config_keys.cpp; change it there. -->

`layby serve` reads one JSON file: the one that `--config` names, else
`/etc/layby/layby.json` if it is there, else none. Comments (`//` and `/* */`) are fine.
Every key has a default that suits an edge box, so a file holds only what differs:

```json
{
  // The disk is shared with others.
  "cache": {"max_bytes": "50%", "min_free_bytes": "5GiB"},
  "upstreams": [
    {"name": "docker.io", "allow": ["library/*", "grafana/grafana"]}
  ]
}
```

- `layby config check --config FILE` reports everything that is wrong with a file at
  once; `layby serve` starts with a file that has no faults or not at all.
- `layby config show --config FILE` prints the configuration in effect.
- `layby config schema` prints a JSON schema for editors.

A *size* is a number of bytes, or text with a unit: `"64KiB"`, `"1.5GiB"` (powers of
1024), `"2MB"` (powers of 1000). A *share* is a percentage of the file system: `"80%"`.
A *duration* is text with a unit: `"500ms"`, `"60s"`, `"5m"`, `"6h"`, `"7d"`.
)";

// What stands under a section's title in the reference.
std::string section_title(const std::string& section) {
  if (section.empty()) return "Top level";
  return section == "upstreams[]" ? "Each of `upstreams`" : "`" + section + "`";
}

void write_row(std::ostream& out, const Key& key, Config& defaults) {
  const bool is_list_of_objects = key.kind == Kind::kUpstreams;
  const std::string value =
      is_list_of_objects ? "docker.io" : "`" + value_json(key, defaults).dump() + "`";
  out << "| `" << name_of(key) << "` | " << words_of(key.kind).text << range_text(key) << " | "
      << value << " | " << key.text << " |\n";
}

Json schema_of(const Key& key, Config& defaults) {
  Json schema = words_of(key.kind).schema;
  schema["description"] = key.text;
  schema["default"] = value_json(key, defaults);
  if (key.kind == Kind::kCount) {
    schema["minimum"] = key.range.least;
    schema["maximum"] = key.range.most;
  }
  if (key.kind == Kind::kUpstreams) {
    schema["items"] = {
        {"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
  }
  return schema;
}

// Where a key's schema goes: the properties of the object that holds it.
Json& properties_for(Json& root, const Key& key) {
  Json& properties = root["properties"];
  if (is_of_upstream(key)) return properties["upstreams"]["items"]["properties"];
  const std::string section = section_of(key);
  if (section.empty()) return properties;
  Json& object = properties[section];
  object["type"] = "object";
  object["additionalProperties"] = false;
  return object["properties"];
}

}  // namespace

std::string config_json(const Config& config) {
  Config copy = config;  // A Place gives write access.
  Json root = Json::object();
  for (const Key& key : config_keys()) {
    if (!is_of_upstream(key)) member(root, key) = value_json(key, copy);
  }
  return dump(root);
}

std::string config_reference() {
  Config defaults;
  std::ostringstream out;
  out << kIntroduction;
  std::string section = "-";
  for (const Key& key : config_keys()) {
    const std::string here = section_of(key);
    if (here != section) {
      out << "\n## " << section_title(here)
          << "\n\n| key | holds | default | |\n| --- | --- | --- | --- |\n";
    }
    section = here;
    write_row(out, key, defaults);
  }
  return out.str();
}

std::string config_schema() {
  Config defaults;
  Json root = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
               {"title", "Layby configuration"},
               {"type", "object"},
               {"additionalProperties", false},
               {"properties", Json::object()}};
  for (const Key& key : config_keys()) {
    properties_for(root, key)[name_of(key)] = schema_of(key, defaults);
  }
  return dump(root);
}

}  // namespace layby::app
