// SPDX-License-Identifier: Apache-2.0
//
// The configuration: one JSON file with comments. Every key has a default that suits
// an edge box, so an empty file, or none, is a complete configuration. The defaults are the
// values of a new Config. src/app/config_keys.cpp declares each key with its path, its kind and
// its sentence; the parser and all documents of the keys come from there.

#ifndef LAYBY_APP_CONFIG_H_
#define LAYBY_APP_CONFIG_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/result.h"
#include "layby/cache/guard.h"
#include "layby/cache/rules.h"
#include "layby/policy/quota.h"
#include "layby/server/limits.h"
#include "layby/store/options.h"
#include "layby/upstream/registry.h"

namespace layby::app {

// The file that `layby serve` reads if none is named and this one exists.
inline constexpr const char* kConfigPath = "/etc/layby/layby.json";

// A configuration is a page or two. A larger file was named by mistake.
inline constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

struct UpstreamConfig {
  std::string name = "docker.io";
  std::string url = "https://registry-1.docker.io";  // /v2/ is appended; no slash at its end.
  std::vector<std::string> allow{"library/*"};
  std::string username;
  std::string password_file;
  std::string ca_file;
  std::string proxy;
  std::vector<std::string> deny;  // Stronger than allow.
  std::string parent;             // The address of another Layby, which is asked first.
  std::string parent_ca_file;
  // Blobs at a time.
  int max_downloads = static_cast<int>(upstream::RegistryOptions{}.max_blob_transfers);
  int requests_per_minute = cache::GuardRules{}.requests_per_minute;  // 0 for no limit.
};

// Another max_rate for a part of the day.
struct RateWindowConfig {
  std::string window;          // policy::DayWindow
  std::uint64_t max_rate = 0;  // As upstream.max_rate.
};

// Values that a part of the daemon takes are members of that part's own structure, which also
// declares their defaults.
struct Config {
  std::string listen = "0.0.0.0:5000";
  std::string socket = "/run/layby/layby.sock";
  std::string log_level = "info";  // log.level
  std::chrono::milliseconds shutdown_grace{10'000};
  int helper_threads = 4;
  struct {
    std::string listen = "0.0.0.0:5443";
    std::string certificate_file;  // Empty for no TLS.
    std::string key_file;
  } tls;
  store::Options store;   // data_dir, scrub.*
  cache::Rules rules;     // cache.*, tags.*, upstream.attempts, upstream.request_timeout
  server::Limits limits;  // limits.*, sockets.*
  std::vector<UpstreamConfig> upstreams{UpstreamConfig{}};
  // upstream.connect_timeout, upstream.stall_timeout; the options of every upstream begin as a
  // copy of these.
  upstream::RegistryOptions registry;
  policy::QuotaReserve quota_reserve;  // quota.reserve
  struct {
    std::uint64_t max_rate = 0;  // Of all blobs together, bytes a second; 0 for no limit.
    std::vector<RateWindowConfig> windows;  // The first window that contains the time counts.
  } upstream;
  std::string prefetch = "/etc/layby/prefetch.json";
};

// One mistake: its place ("upstreams[0].url", "line 3, column 7" for a syntax error, or the
// file's own path) and what to write instead.
struct ConfigFault {
  std::string path;
  std::string message;
  int line = 0;  // From 1; 0 if unknown, or if the path states the line.
};

// A configuration and all faults of its text. `config` is complete if there are no faults.
struct ConfigOutcome {
  Config config;
  std::vector<ConfigFault> faults;
};
ConfigOutcome parse_config(std::string_view json);

// "line 3, upstreams[0].url: message", for people; without the line if that is unknown.
std::string to_string(const ConfigFault& fault);

// Reads a configuration from a file. An unreadable file is a fault, and so is an unreadable
// or empty file that the configuration names (password_file, ca_file). Blocks on the disk.
ConfigOutcome load_config(const std::string& path);

// The configuration in effect, as JSON from which parse_config reads the same configuration.
// The JSON names the password files but contains no passwords.
std::string config_json(const Config& config);

// docs/configuration.md, and a JSON Schema (draft 2020-12) for editors.
std::string config_reference();
std::string config_schema();

}  // namespace layby::app

#endif  // LAYBY_APP_CONFIG_H_
