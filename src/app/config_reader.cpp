// SPDX-License-Identifier: Apache-2.0
//
// A value has two paths: one in the table of keys ("upstreams[].url") and one in the file
// ("upstreams[1].url").

#include "app/config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <string>

#include "app/config_nearest.h"
#include "app/config_value.h"

namespace layby::app {
namespace {

class Reader {
 public:
  Reader(const Keys& keys, Slot slot, std::vector<ConfigFault>& faults)
      : keys_(keys), slot_(slot), faults_(faults) {}

  void read_object(const JsonValue& object, const std::string& table_prefix,
                   const std::string& path) {
    for (const JsonMember& member : object.members) {
      read_member(member, table_prefix + member.name, join_path(path, member.name));
    }
  }

 private:
  const Key* find_key(std::string_view path) const {
    const auto at =
        std::find_if(keys_.begin(), keys_.end(), [&](const Key& key) { return key.path == path; });
    return at == keys_.end() ? nullptr : &*at;
  }

  bool is_section(const std::string& path) const {
    return std::any_of(keys_.begin(), keys_.end(),
                       [&](const Key& key) { return key.path.starts_with(path + "."); });
  }

  void fault(const std::string& path, std::string message) {
    faults_.push_back({path, std::move(message)});
  }

  void read_member(const JsonMember& member, const std::string& table_path,
                   const std::string& path) {
    if (member.name.find_first_of(".[") != std::string::npos) {
      return fault(path,
                   "is not a key; write a section as an object, \"cache\": {\"max_bytes\": …}");
    }
    const Key* key = find_key(table_path);
    if (key != nullptr && key->kind == Kind::kObjects) {
      return read_objects(*key, member.value, path);
    }
    if (key != nullptr) return set_value(*key, member.value, slot_, path, faults_);
    if (!is_section(table_path)) {
      fault(path, "is not a key" + suggestion(keys_, table_path));
    } else if (member.value.kind != JsonValue::Kind::kObject) {
      fault(path, "must be an object, { … }, not " + describe(member.value));
    } else {
      read_object(member.value, table_path + ".", path);
    }
  }

  void read_objects(const Key& key, const JsonValue& list, const std::string& path) {
    const bool is_list = list.kind == JsonValue::Kind::kList;
    if (!is_list || list.items.size() < key.range.least) {
      const std::string least = key.range.least > 0 ? " of one or more" : "";
      return fault(path, fmt::format("must be a list{}, [{{ … }}], not {}", least,
                                     is_list ? std::string("empty") : describe(list)));
    }
    assert(slot_.item == 0);  // Objects of a list contain no list of objects.
    std::get<Objects>(key.field).make(slot_, list.items.size());
    assert(std::get<Objects>(key.field).count(slot_) == list.items.size());
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      slot_.item = i;
      read_item(key, list.items[i], fmt::format("{}[{}]", path, i));
    }
    slot_.item = 0;
  }

  void read_item(const Key& key, const JsonValue& object, const std::string& path) {
    if (object.kind != JsonValue::Kind::kObject) {
      return fault(path, "must be an object, { … }, not " + describe(object));
    }
    const std::string prefix = std::string(key.path) + "[].";
    read_object(object, prefix, path);
    for (const Key& member : keys_) {
      if (!member.required || !member.path.starts_with(prefix)) continue;
      const std::string name(member.path.substr(prefix.size()));
      const bool there = std::any_of(object.members.begin(), object.members.end(),
                                     [&](const JsonMember& m) { return m.name == name; });
      if (!there) fault(join_path(path, name), "is missing; it has no default");
    }
  }

  const Keys& keys_;
  Slot slot_;
  std::vector<ConfigFault>& faults_;
};

}  // namespace

JsonValue read_document(std::string_view text, const Keys& keys, Slot slot,
                        std::vector<ConfigFault>& faults) {
  if (text.size() > kMaxConfigBytes) {
    faults.push_back({"size", fmt::format("is more than {}; is it the right file?",
                                          bytes_text(kMaxConfigBytes))});
    return {};
  }
  JsonOutcome read = read_json(text);
  faults.insert(faults.end(), read.faults.begin(), read.faults.end());
  if (read.broken) return {};
  Reader(keys, slot, faults).read_object(read.root, "", "");
  return std::move(read.root);
}

void set_lines(const JsonValue& root, std::vector<ConfigFault>& faults) {
  for (ConfigFault& fault : faults) fault.line = line_of(root, fault.path);
}

}  // namespace layby::app
