// SPDX-License-Identifier: Apache-2.0
//
// Reads a configuration in four steps: the JSON becomes a tree, the value of each key is stored,
// several keys are checked together, the named files are checked. A step with faults does not
// stop the next step, so one reading finds all faults.

#include "layby/app/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "app/config_json.h"
#include "app/config_keys.h"
#include "app/config_reader.h"
#include "app/config_value.h"
#include "layby/base/fd.h"
#include "layby/base/log.h"
#include "layby/http/url.h"

namespace layby::app {
namespace {

constexpr std::uint64_t kMaxKeyFileBytes = 64 << 10;
constexpr std::uint64_t kMaxCaBytes = 16 << 20;

using Faults = std::vector<ConfigFault>;

void check_account(const UpstreamConfig& upstream, const std::string& path, Faults& faults) {
  if (!upstream.username.empty() && upstream.password_file.empty()) {
    faults.push_back({path + ".password_file",
                      "is missing; write the path of a file with the password of " +
                          describe({JsonValue::Kind::kText, upstream.username, {}, {}})});
  }
  if (upstream.username.empty() && !upstream.password_file.empty()) {
    faults.push_back(
        {path + ".username", "is missing; write the account that password_file belongs to"});
  }
}

// The complaint about a well-formed pattern that can't match what its writer means; empty for other
// patterns.
std::string misled_pattern(const UpstreamConfig& upstream, const std::string& pattern) {
  if (pattern.starts_with(upstream.name + "/")) {
    return fmt::format("begins with the registry; write \"{}\"",
                       log::printable(pattern.substr(upstream.name.size() + 1)));
  }
  const bool bare = pattern.find_first_of("/*:@") == std::string::npos;
  if (upstream.name == UpstreamConfig{}.name && bare && !pattern.empty()) {
    return fmt::format("matches nothing on Docker Hub; write \"library/{}\"",
                       log::printable(pattern));
  }
  return "";
}

bool has_member(const JsonValue& object, std::string_view name) {
  return std::any_of(object.members.begin(), object.members.end(),
                     [name](const JsonMember& member) { return member.name == name; });
}

void check_addresses(const UpstreamConfig& upstream, const JsonValue& object,
                     const std::string& path, Faults& faults) {
  if (!has_member(object, "url") && upstream.name != UpstreamConfig{}.name) {
    faults.push_back({path + ".url",
                      "is missing; write the registry's address, such as "
                      "\"https://registry.example\""});
  }
  if (!upstream.parent.empty() && upstream.parent == upstream.url) {
    faults.push_back({path + ".parent", "is the same as \"url\"; write the other Layby's address"});
  }
  if (upstream.parent.empty() && !upstream.parent_ca_file.empty()) {
    faults.push_back(
        {path + ".parent", "is missing; write the address that parent_ca_file is for"});
  }
}

void check_upstreams(const Config& config, const JsonValue& root, Faults& faults) {
  const auto list = std::find_if(root.members.begin(), root.members.end(),
                                 [](const JsonMember& m) { return m.name == "upstreams"; });
  if (list == root.members.end() || list->value.items.size() != config.upstreams.size()) return;
  std::set<std::string> names;
  for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
    const UpstreamConfig& upstream = config.upstreams[i];
    const std::string path = fmt::format("upstreams[{}]", i);
    const JsonValue& object = list->value.items[i];
    // read_document() has reported this fault.
    if (object.kind != JsonValue::Kind::kObject) continue;
    if (!names.insert(upstream.name).second) {
      faults.push_back(
          {path + ".name", fmt::format("is {} like that of an earlier upstream; write another name",
                                       describe({JsonValue::Kind::kText, upstream.name, {}, {}}))});
    }
    check_addresses(upstream, object, path, faults);
    check_account(upstream, path, faults);
    for (std::size_t j = 0; j < upstream.allow.size(); ++j) {
      const std::string complaint = misled_pattern(upstream, upstream.allow[j]);
      if (complaint.empty()) continue;
      faults.push_back({fmt::format("{}.allow[{}]", path, j), complaint});
    }
  }
}

void check_tls(const Config& config, Faults& faults) {
  const auto& tls = config.tls;
  if (!tls.certificate_file.empty() && tls.key_file.empty()) {
    faults.push_back({"tls.key_file", "is missing; write the path of the certificate's key"});
  }
  if (tls.certificate_file.empty() && !tls.key_file.empty()) {
    faults.push_back(
        {"tls.certificate_file", "is missing; write the path of the key's certificate"});
  }
}

// Whether listeners on `one` and `other` would need the same port of the same address.
bool overlap(const http::HostPort& one, const http::HostPort& other) {
  const auto is_any = [](const std::string& host) {
    return host.empty() || host == "0.0.0.0" || host == "::";
  };
  if (one.port == 0 || one.port != other.port) return false;
  return one.host == other.host || is_any(one.host) || is_any(other.host);
}

void check_listeners(const Config& config, Faults& faults) {
  if (config.tls.certificate_file.empty()) return;
  const auto plain = http::parse_host_port(config.listen);
  const auto tls = http::parse_host_port(config.tls.listen);
  if (!plain.ok() || !tls.ok() || !overlap(*plain, *tls)) return;
  faults.push_back(
      {"tls.listen", fmt::format("has port {} like \"listen\"; write another port", tls->port)});
}

void check_readable(const std::string& path, const std::string& file, std::uint64_t max_bytes,
                    Faults& faults) {
  if (!file.starts_with('/')) return;  // The key is empty, or its fault is known.
  const Result<std::string> content = read_file(file, max_bytes);
  if (!content) {
    faults.push_back({path, content.error().message +
                                "; create the file and let the user that runs layby read it"});
  } else if (std::all_of(content->begin(), content->end(),
                         [](unsigned char c) { return std::isspace(c) != 0; })) {
    faults.push_back({path, file + " is empty; write the password, key or certificates into it"});
  }
}

void check_files(const Config& config, Faults& faults) {
  check_readable("tls.certificate_file", config.tls.certificate_file, kMaxCaBytes, faults);
  check_readable("tls.key_file", config.tls.key_file, kMaxKeyFileBytes, faults);
  for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
    const UpstreamConfig& upstream = config.upstreams[i];
    const std::string path = fmt::format("upstreams[{}]", i);
    check_readable(path + ".password_file", upstream.password_file, kMaxPasswordBytes, faults);
    check_readable(path + ".ca_file", upstream.ca_file, kMaxCaBytes, faults);
    check_readable(path + ".parent_ca_file", upstream.parent_ca_file, kMaxCaBytes, faults);
  }
}

}  // namespace

ConfigOutcome parse_config(std::string_view json) {
  ConfigOutcome outcome;
  PrefetchListConfig none;
  const JsonValue root = read_document(json, config_keys(), {outcome.config, none}, outcome.faults);
  check_tls(outcome.config, outcome.faults);
  check_listeners(outcome.config, outcome.faults);
  check_upstreams(outcome.config, root, outcome.faults);
  set_lines(root, outcome.faults);
  return outcome;
}

std::string to_string(const ConfigFault& fault) {
  if (fault.line == 0) return fmt::format("{}: {}", fault.path, fault.message);
  return fmt::format("line {}, {}: {}", fault.line, fault.path, fault.message);
}

ConfigOutcome load_config(const std::string& path) {
  const Result<std::string> text = read_file(path, kMaxConfigBytes);
  if (!text) {
    return {{},
            {{path, text.error().message + "; name a readable file, or none to use the defaults"}}};
  }
  ConfigOutcome outcome = parse_config(*text);
  Faults files;
  check_files(outcome.config, files);
  set_lines(read_json(*text).root, files);
  outcome.faults.insert(outcome.faults.end(), files.begin(), files.end());
  return outcome;
}

}  // namespace layby::app
