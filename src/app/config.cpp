// SPDX-License-Identifier: Apache-2.0
//
// Reading a configuration: JSON to a tree, each member of the tree to its key, then
// what concerns several keys together, then the files that it names. Each step adds
// its faults and goes on, so that one reading finds them all.

#include "layby/app/config.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <utility>

#include "app/config_json.h"
#include "app/config_keys.h"
#include "app/config_nearest.h"
#include "app/config_value.h"
#include "layby/base/fd.h"

namespace layby::app {
namespace {

constexpr std::uint64_t kMaxPasswordBytes = 64 << 10;
constexpr std::uint64_t kMaxCaBytes = 16 << 20;

using Faults = std::vector<ConfigFault>;

const Key* find_key(std::string_view path) {
  for (const Key& key : config_keys()) {
    if (key.path == path) return &key;
  }
  return nullptr;
}

bool is_section(const std::string& path) {
  return std::any_of(config_keys().begin(), config_keys().end(),
                     [&](const Key& key) { return key.path.starts_with(path + "."); });
}

// Walks the tree. A place has two names: the one in the table ("upstreams[].url") and
// the one in the file ("upstreams[1].url").
class Reader {
 public:
  Reader(Config& config, Faults& faults) : config_(config), faults_(faults) {}

  void read_object(const JsonValue& object, const std::string& table_prefix,
                   const std::string& path, std::size_t upstream) {
    for (const JsonMember& member : object.members) {
      read_member(member, table_prefix + member.name, join_path(path, member.name), upstream);
    }
  }

 private:
  void read_member(const JsonMember& member, const std::string& table_path, const std::string& path,
                   std::size_t upstream) {
    if (member.name.find_first_of(".[") != std::string::npos) {
      faults_.push_back({path,
                         "is not a key; write a section as an object, "
                         "\"cache\": {\"max_bytes\": …}"});
      return;
    }
    const Key* key = find_key(table_path);
    if (key != nullptr && key->kind == Kind::kUpstreams) return read_upstreams(member.value, path);
    if (key != nullptr) return set_value(*key, member.value, {config_, upstream}, path, faults_);
    if (!is_section(table_path)) {
      faults_.push_back({path, "is not a key" + suggestion(table_path)});
    } else if (member.value.kind != JsonValue::Kind::kObject) {
      faults_.push_back({path, "must be an object, { … }, not " + describe(member.value)});
    } else {
      read_object(member.value, table_path + ".", path, upstream);
    }
  }

  void read_upstreams(const JsonValue& list, const std::string& path) {
    if (list.kind != JsonValue::Kind::kList || list.items.empty()) {
      faults_.push_back({path, "must be a list of one upstream or more, [{ … }], not " +
                                   (list.kind == JsonValue::Kind::kList ? std::string("empty")
                                                                        : describe(list))});
      return;
    }
    config_.upstreams.assign(list.items.size(), {});
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      read_upstream(list.items[i], path + "[" + std::to_string(i) + "]", i);
    }
  }

  void read_upstream(const JsonValue& object, const std::string& path, std::size_t index) {
    if (object.kind != JsonValue::Kind::kObject) {
      config_.upstreams[index].name.clear();  // Like no other's.
      faults_.push_back({path, "must be an object, { … }, not " + describe(object)});
      return;
    }
    read_object(object, std::string(kUpstreamPrefix), path, index);
    const UpstreamConfig& upstream = config_.upstreams[index];
    const bool has_url = std::any_of(object.members.begin(), object.members.end(),
                                     [](const JsonMember& m) { return m.name == "url"; });
    if (!has_url && upstream.name != UpstreamConfig{}.name) {
      faults_.push_back({path + ".url",
                         "is missing; write the registry's address, such as "
                         "\"https://registry.example\""});
    }
  }

  Config& config_;
  Faults& faults_;
};

void check_account(const UpstreamConfig& upstream, const std::string& path, Faults& faults) {
  if (!upstream.username.empty() && upstream.password_file.empty()) {
    faults.push_back({path + ".password_file",
                      "is missing; write the path of a file with the password of " +
                          describe({JsonValue::Kind::kText, upstream.username, {}, {}})});
  }
  if (upstream.username.empty() && !upstream.password_file.empty()) {
    faults.push_back({path + ".username", "is missing; write the account of that password_file"});
  }
}

// A pattern that is well formed and can't match what its writer means.
std::string misled_pattern(const UpstreamConfig& upstream, const std::string& pattern) {
  if (pattern.starts_with(upstream.name + "/")) {
    return "begins with the registry; write \"" + pattern.substr(upstream.name.size() + 1) + "\"";
  }
  const bool bare = pattern.find_first_of("/*:@") == std::string::npos;
  if (upstream.name == UpstreamConfig{}.name && bare && !pattern.empty()) {
    return "matches nothing on Docker Hub; write \"library/" + pattern + "\"";
  }
  return "";
}

// No limit is 0, so the table's one range can't say what the least is else.
void check_rate(const Config& config, Faults& faults) {
  constexpr std::uint64_t kLeast = 64 << 10;
  const std::uint64_t rate = config.upstream.max_rate;
  if (rate == 0 || rate >= kLeast) return;
  faults.push_back({"upstream.max_rate", "must be 0 for no limit, or at least " +
                                             bytes_text(kLeast) + " a second, not " +
                                             bytes_text(rate)});
}

void check_upstreams(const Config& config, Faults& faults) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
    const UpstreamConfig& upstream = config.upstreams[i];
    const std::string path = "upstreams[" + std::to_string(i) + "]";
    if (!upstream.name.empty() && !names.insert(upstream.name).second) {
      faults.push_back(
          {path + ".name", "is " + describe({JsonValue::Kind::kText, upstream.name, {}, {}}) +
                               " like an earlier one's; write another"});
    }
    check_account(upstream, path, faults);
    for (std::size_t j = 0; j < upstream.allow.size(); ++j) {
      const std::string complaint = misled_pattern(upstream, upstream.allow[j]);
      if (complaint.empty()) continue;
      faults.push_back({path + ".allow[" + std::to_string(j) + "]", complaint});
    }
  }
}

void check_readable(const std::string& path, const std::string& file, std::uint64_t max_bytes,
                    Faults& faults) {
  if (!file.starts_with('/')) return;  // None, or reported already.
  const Result<std::string> content = read_file(file, max_bytes);
  if (!content) {
    faults.push_back({path, content.error().message +
                                "; make the file and let the user that runs layby read it"});
  } else if (std::all_of(content->begin(), content->end(),
                         [](unsigned char c) { return std::isspace(c) != 0; })) {
    faults.push_back({path, file + " is empty; write into it what it is for"});
  }
}

void check_files(const Config& config, Faults& faults) {
  for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
    const UpstreamConfig& upstream = config.upstreams[i];
    const std::string path = "upstreams[" + std::to_string(i) + "]";
    check_readable(path + ".password_file", upstream.password_file, kMaxPasswordBytes, faults);
    check_readable(path + ".ca_file", upstream.ca_file, kMaxCaBytes, faults);
  }
}

}  // namespace

ConfigOutcome parse_config(std::string_view json) {
  ConfigOutcome outcome;
  if (json.size() > kMaxConfigBytes) {
    outcome.faults.push_back(
        {"size", "is more than " + bytes_text(kMaxConfigBytes) + "; give a configuration"});
    return outcome;
  }
  JsonOutcome read = read_json(json);
  outcome.faults = std::move(read.faults);
  if (read.broken) return outcome;
  Reader(outcome.config, outcome.faults).read_object(read.root, "", "", 0);
  check_rate(outcome.config, outcome.faults);
  check_upstreams(outcome.config, outcome.faults);
  return outcome;
}

ConfigOutcome load_config(const std::string& path) {
  const Result<std::string> text = read_file(path, kMaxConfigBytes);
  if (!text) {
    return {{}, {{path, text.error().message + "; give a readable file, or none for defaults"}}};
  }
  ConfigOutcome outcome = parse_config(*text);
  check_files(outcome.config, outcome.faults);
  return outcome;
}

}  // namespace layby::app
