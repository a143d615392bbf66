// SPDX-License-Identifier: Apache-2.0
//
// Prints the tables of keys in three forms: the configuration in effect, documents in Markdown, and
// JSON schemas. The defaults are the values of a new Config and a new PrefetchListConfig.

#include <fmt/format.h>

#include <cassert>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/config_keys.h"
#include "app/config_kinds.h"
#include "app/config_value.h"
#include "layby/app/config.h"

namespace layby::app {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;

// Converts a key's value to the JSON that a configuration file has for the key.
struct ToJson {
  const Key& key;
  Slot slot;
  Json operator()(Place<std::string> place) const { return place(slot); }
  Json operator()(Place<bool> place) const { return place(slot); }
  Json operator()(Place<int> place) const { return place(slot); }
  Json operator()(Place<std::uint64_t> place) const {
    const std::uint64_t bytes = place(slot);
    return bytes_text(bytes) + (key.kind == Kind::kRate && bytes > 0 ? "/s" : "");
  }
  Json operator()(Place<policy::SpaceLimit> place) const { return limit_text(place(slot)); }
  Json operator()(Place<policy::QuotaReserve> place) const {
    const policy::QuotaReserve& reserve = place(slot);
    if (reserve.percent == 0) return reserve.pulls;
    return fmt::format("{}%", reserve.percent);
  }
  Json operator()(Place<milliseconds> place) const { return duration_text(place(slot)); }
  Json operator()(Place<std::vector<std::string>> place) const { return place(slot); }
  Json operator()(const Objects&) const { return Json::array(); }
};

std::string section_of(const Key& key) {
  const std::size_t dot = key.path.rfind('.');
  return dot == std::string_view::npos ? "" : std::string(key.path.substr(0, dot));
}

std::string name_of(const Key& key) {
  return std::string(key.path.substr(key.path.rfind('.') + 1));
}

Json objects_json(const Keys& keys, const Key& list, Slot slot) {
  assert(list.kind == Kind::kObjects);
  const std::string prefix = std::string(list.path) + "[].";
  Json objects = Json::array();
  for (slot.item = 0; slot.item < std::get<Objects>(list.field).count(slot); ++slot.item) {
    Json object = Json::object();
    for (const Key& key : keys) {
      if (!key.path.starts_with(prefix)) continue;
      object[name_of(key)] = std::visit(ToJson{key, slot}, key.field);
    }
    objects.push_back(std::move(object));
  }
  return objects;
}

// The member of `root` for `key`. A key in a section is a member of the section's object.
Json& member(Json& root, const Key& key) {
  assert(objects_prefix(key.path).empty());
  const std::string section = section_of(key);
  return section.empty() ? root[name_of(key)] : root[section][name_of(key)];
}

Json value_json(const Keys& keys, const Key& key, Slot slot) {
  return key.kind == Kind::kObjects ? objects_json(keys, key, slot)
                                    : std::visit(ToJson{key, slot}, key.field);
}

// The defaults of the configuration and the prefetch list. Each list of objects has one object,
// so that the keys of objects have defaults too.
struct Defaults {
  Config config;
  PrefetchListConfig list;
  Defaults() {
    config.rules.tag_rules.resize(1);
    config.upstream.windows.resize(1);
    list.images.resize(1);
  }
  Json of(const Keys& keys, const Key& key) {
    if (key.kind == Kind::kObjects && key.path != "upstreams") return Json::array();
    return value_json(keys, key, {config, list});
  }
};

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// The key's range, such as ", 10ms to 1h". Empty if every value is valid.
std::string range_text(const Key& key) {
  const auto text = [&](std::uint64_t value) {
    if (key.kind == Kind::kDuration || key.kind == Kind::kLifetime) {
      return duration_text(milliseconds(static_cast<std::int64_t>(value)));
    }
    const bool counts = key.kind == Kind::kCount || key.kind == Kind::kCountLimit;
    return counts ? std::to_string(value) : bytes_text(value);
  };
  if (std::holds_alternative<Place<std::vector<std::string>>>(key.field) ||
      key.kind == Kind::kObjects) {
    return "";
  }
  if (key.range.most == Range{}.most) {
    return key.range.least == 0 ? "" : ", at least " + text(key.range.least);
  }
  return fmt::format(", {} to {}", text(key.range.least), text(key.range.most));
}

constexpr const char* kIntroduction = R"(# Configuration

<!-- Printed by `layby config reference` from src/app/config_keys.cpp; change it there. -->

`layby serve` reads one JSON file: the file that `--config` names. Without `--config`, it reads
`/etc/layby/layby.json`; if that file is missing, the defaults apply. Comments (`//` and
`/* */`) are allowed. Every key has a default that suits an edge box, so a file contains only
the values that differ:

```json
{
  // Other programs use the same disk.
  "cache": {"max_bytes": "50%", "min_free_bytes": "5GiB"},
  "upstreams": [
    {"name": "docker.io", "allow": ["library/*", "grafana/grafana"]}
  ]
}
```

- `layby config check --config FILE` reports all faults of a file at once. `layby serve`
  starts only with a file that has no faults.
- `layby config show --config FILE` prints the configuration in effect.
- `layby config schema` prints a JSON schema for editors.

## Changes

Saving the file is enough: a running daemon checks the file every two seconds and on SIGHUP. It
reads passwords again with the file. While the file has faults, the last good configuration stays
in force; the faults are in the log, in the `notices` of `/stats` and in `layby status`.

- Most keys take effect at once, for requests under way too.
- `listen`, `tls` and `socket`: the new address is bound, then the old one is closed. Connections
  go on. An address that can't be bound leaves the old one in force.
- `limits.max_connections`, `limits.max_connections_per_client`, `sockets` and a network added to
  `trusted_proxies` count for new connections, `limits.header_bytes` for new requests.
- A new `limits.rate_per_client` or `limits.burst_per_client` gives each client a whole burst.
- An upstream whose keys changed, other than `allow` and `deny`, begins anew, without its tokens and
  without what was known of its link and its pull limit. Requests that were sent before end as they
  began.
- The keys that say so need a restart. Until then their earlier values stay in force.

## Values

A *size* is a number of bytes, or text with a unit: `"64KiB"`, `"1.5GiB"` (powers of
1024), `"2MB"` (powers of 1000). A *share* is a percentage of the file system: `"80%"`.
A *rate* is a size per second: `"2MB/s"`. A *duration* is text with a unit: `"500ms"`,
`"60s"`, `"5m"`, `"6h"`, `"7d"`.
)";

constexpr const char* kListIntroduction = R"(# Prefetch

<!-- Printed by `layby config reference --prefetch` from src/app/; change it there. -->

Layby fetches the images of a list before anyone asks for them and keeps them current. Pulls
of clients go first. The list is a JSON file, `/etc/layby/prefetch.json` unless the
configuration says otherwise. Comments (`//` and `/* */`) are allowed:

```json
{
  "every": "6h",
  "window": "01:00-05:00",
  "max_rate": "2MB/s",
  "images": [
    {"image": "python", "tags": ["3.13", ">=3.12 <3.14 -slim"], "pin": true},
    {"image": "redis", "tags": ["7-alpine"], "platforms": ["linux/amd64", "linux/arm64"]}
  ]
}
```

Saving the file is enough: Layby checks it every two seconds and on SIGHUP. Faults of a list
are reported in the log and by `layby config check`, and the last good list stays in force.

- `layby prefetch --plan` shows what a run would fetch, and what the run would cost in bytes
  and in pulls, without fetching anything.
- `layby prefetch` runs the list now, even outside the window, and shows the progress.
- `layby status` and `/stats` show the result of the last run and the time of the next run.

## What is fetched

| tags | meaning |
| --- | --- |
| `3.13-slim` | this tag |
| `3.12-*` | `*` stands for any characters |
| `>=3.12 <3.14` | a range of versions, without variants such as `-slim` |
| `>=3.12 <3.14 -slim` | the same range with this variant; `*` in it stands for any characters |
| `>=3.12 <3.14 -*` | the same range with any variant, and without one |

A range matches only tags that are as precise as the range: `>=3.12` matches `3.12` and
`3.13`, not `3.12.4`. A range never matches a pre-release such as `3.14-rc` or `3.14.0b1`.
Each run looks up patterns and ranges in the registry's list of tags.

From an index, a run fetches the manifests of the listed platforms and their blobs. Clients
still see the whole index: a platform that isn't listed is fetched when somebody pulls it. If
the index doesn't have a listed platform, the run fetches the platform that clients choose
instead, in the order of containerd: `linux/arm/v5` for `linux/arm/v6`, `linux/386` for
`linux/amd64`. The plan names both platforms.

After a tag has moved, pulls of the tag get the old image (with `Warning: 110`) until the new
image is complete, for at most `hold`.

## What it costs

Docker Hub counts each manifest that is fetched as a pull. Blobs are free, and so is checking
whether a tag has moved. An image of one platform costs two pulls when it is new (the index and
the manifest) and none when it hasn't changed. A run leaves `quota.reserve` of the pull limit
for people: it slows down near the reserve and pauses at the reserve until the limit has renewed
itself. A run sends at most half of `requests_per_minute`. It pauses at once while a client's
pull needs the link, and then continues where it was.

A stopped run keeps what it has fetched, and the next run continues from there.
)";

// The title of a section in docs/configuration.md.
std::string section_title(const std::string& section) {
  if (section.empty()) return "Top level";
  if (!section.ends_with("[]")) return fmt::format("`{}`", section);
  return fmt::format("Each of `{}`", section.substr(0, section.size() - 2));
}

void write_row(std::ostream& out, const Keys& keys, const Key& key, Defaults& defaults) {
  std::string value =
      key.path == "upstreams" ? "docker.io" : fmt::format("`{}`", defaults.of(keys, key).dump());
  if (key.required) value = "";
  out << "| `" << name_of(key) << "` | " << words_of(key).text << range_text(key) << " | " << value
      << " | " << key.text << (key.needs_restart ? " A change needs a restart." : "") << " |\n";
}

void write_tables(std::ostream& out, const Keys& keys) {
  Defaults defaults;
  std::string section = "-";
  for (const Key& key : keys) {
    const std::string here = section_of(key);
    if (here != section) {
      out << "\n## " << section_title(here)
          << "\n\n| key | holds | default | |\n| --- | --- | --- | --- |\n";
    }
    section = here;
    write_row(out, keys, key, defaults);
  }
}

Json schema_of(const Keys& keys, const Key& key, Defaults& defaults) {
  Json schema = words_of(key).schema;
  schema["description"] = key.text;
  if (!key.required) schema["default"] = defaults.of(keys, key);
  if (key.kind == Kind::kCount) {
    schema["minimum"] = key.range.least;
    schema["maximum"] = key.range.most;
  }
  if (key.kind == Kind::kObjects) {
    schema["items"] = {
        {"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
  }
  return schema;
}

// The schema of the object that holds a key: the root, a section, or an object of a list.
Json& holder_of(Json& root, const std::string& section) {
  if (section.empty()) return root;
  if (section.ends_with("[]")) {
    const std::string list = section.substr(0, section.size() - 2);
    const std::size_t dot = list.rfind('.');
    Json& outer = holder_of(root, dot == std::string::npos ? "" : list.substr(0, dot));
    // The tables declare a list before the keys of its objects.
    assert(outer["properties"].contains(list.substr(dot + 1)));
    return outer["properties"][list.substr(dot + 1)]["items"];
  }
  Json& object = root["properties"][section];
  object["type"] = "object";
  object["additionalProperties"] = false;
  return object;
}

std::string schema_text(const Keys& keys, const char* title) {
  Defaults defaults;
  Json root = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
               {"title", title},
               {"type", "object"},
               {"additionalProperties", false},
               {"properties", Json::object()}};
  for (const Key& key : keys) {
    Json& holder = holder_of(root, section_of(key));
    holder["properties"][name_of(key)] = schema_of(keys, key, defaults);
    if (key.required) holder["required"].push_back(name_of(key));
  }
  return dump(root);
}

}  // namespace

std::string config_json(const Config& config) {
  Config copy = config;  // A Place needs a Config that isn't const.
  PrefetchListConfig none;
  const Keys& keys = config_keys();
  Json root = Json::object();
  for (const Key& key : keys) {
    if (objects_prefix(key.path).empty()) member(root, key) = value_json(keys, key, {copy, none});
  }
  return dump(root);
}

std::string config_reference() {
  std::ostringstream out;
  out << kIntroduction;
  write_tables(out, config_keys());
  return out.str();
}

std::string config_schema() { return schema_text(config_keys(), "Layby configuration"); }

std::string prefetch_list_reference() {
  std::ostringstream out;
  out << kListIntroduction;
  write_tables(out, prefetch_keys());
  return out.str();
}

std::string prefetch_list_schema() { return schema_text(prefetch_keys(), "Layby prefetch list"); }

}  // namespace layby::app
