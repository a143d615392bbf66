// SPDX-License-Identifier: Apache-2.0
//
// The configuration: one JSON file with comments. Every key has a default that suits an edge
// box, so an empty file is a complete configuration, and the file may be missing. The defaults are
// the values of a new Config. src/app/config_keys.cpp declares each key with its path, its kind
// and its sentence. The parser and all documents of the keys use the table in config_keys.cpp.

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

// `layby serve` reads this file if --config names no other file and this file exists.
inline constexpr const char* kConfigPath = "/etc/layby/layby.json";

// A configuration is a page or two long. A larger file was probably named by mistake.
inline constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

inline constexpr std::uint64_t kMaxPasswordBytes = 64 << 10;

struct UpstreamConfig {
  std::string name = "docker.io";
  std::string url = "https://registry-1.docker.io";  // No slash at the end; /v2/ is appended.
  std::vector<std::string> allow{"library/*"};
  std::string username;
  std::string password_file;
  std::string ca_file;
  std::string proxy;
  std::vector<std::string> deny;  // `deny` wins over `allow`.
  std::string parent;             // The address of another Layby, which is asked first.
  std::string parent_ca_file;
  bool allow_private_redirects = false;
  // The most blobs that are downloaded at the same time.
  int max_downloads = static_cast<int>(cache::GuardRules{}.max_blob_transfers);
  int requests_per_minute = cache::GuardRules{}.requests_per_minute;  // 0 for no limit.
  int connections_per_blob = cache::kConnectionsPerBlob;
};

// The max_rate for a part of the day.
struct RateWindowConfig {
  std::string window;          // policy::DayWindow
  std::uint64_t max_rate = 0;  // Bytes a second; 0 for no limit.
};

// Some keys are members of the options of one part of the daemon, such as store::Options. These
// options also declare the keys' defaults.
struct Config {
  std::string listen = "0.0.0.0:5000";
  std::vector<std::string> hosts;  // Host names of the pages, in addition to the box's own.
  std::string socket = "/run/layby/layby.sock";
  std::string log_level = "info";  // log.level
  std::chrono::milliseconds drain_for{0};
  std::chrono::milliseconds shutdown_grace{10'000};
  int helper_threads = 4;
  struct {
    std::string listen = "0.0.0.0:5443";
    std::string certificate_file;  // Empty if TLS isn't served.
    std::string key_file;
  } tls;
  store::Options store;   // data_dir, scrub.*
  cache::Rules rules;     // cache.*, tags.*, upstream.attempts, upstream.request_timeout
  server::Limits limits;  // limits.*, sockets.*
  std::vector<UpstreamConfig> upstreams{UpstreamConfig{}};
  // upstream.connect_timeout, upstream.stall_timeout. The options of every upstream begin as a
  // copy of `registry`.
  upstream::RegistryOptions registry;
  policy::QuotaReserve quota_reserve;  // quota.reserve
  struct {
    std::uint64_t max_rate = 0;             // Bytes a second for all blobs together; 0: no limit.
    std::vector<RateWindowConfig> windows;  // The first window that fits applies.
  } upstream;
  std::string prefetch = "/etc/layby/prefetch.json";
};

// One mistake. `path` is "upstreams[0].url", or "line 3, column 7" for a syntax error, or the
// file's own path. `message` says what to write instead.
struct ConfigFault {
  std::string path;
  std::string message;
  int line = 0;  // Counted from 1; 0 if unknown, or if `path` states the line.
};

// A configuration and all its faults. `config` is complete if there are no faults.
struct ConfigOutcome {
  Config config;
  std::vector<ConfigFault> faults;
};
ConfigOutcome parse_config(std::string_view json);

// "line 3, upstreams[0].url: message", for people. An unknown line is left out.
std::string to_string(const ConfigFault& fault);

// Reads a configuration from a file. An unreadable file is a fault. A password, key or
// certificate file that is unreadable or empty is a fault too. Blocks on the disk.
ConfigOutcome load_config(const std::string& path);

// The faults that would stop `layby serve` at its start although `config` is valid, such as a
// certificate with the wrong private key, or a data_dir that can't be made. Blocks on the disk.
enum class CheckedBy { kDaemon, kAnyone };  // The process's user: the daemon's user, or any user.
std::vector<ConfigFault> check_start(const Config& config, CheckedBy user);

// Returns `config` as JSON, from which parse_config reads the same configuration again. The JSON
// names the password files but contains no passwords.
std::string config_json(const Config& config);

// The text of docs/configuration.md, and a JSON Schema (draft 2020-12) for editors.
std::string config_reference();
std::string config_schema();

}  // namespace layby::app

#endif  // LAYBY_APP_CONFIG_H_
