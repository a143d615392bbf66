// SPDX-License-Identifier: Apache-2.0
//
// The configuration: one JSON file with comments. Every key has a default that suits
// an edge box, so an empty file, or none, is a complete configuration. The values here
// are the defaults. src/app/config_keys.cpp declares each key with its path, its kind and
// its sentence; the parser and all documents of the keys come from there.

#ifndef LAYBY_APP_CONFIG_H_
#define LAYBY_APP_CONFIG_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "layby/base/result.h"

namespace layby::app {

// The file that `layby serve` reads if none is named and this one exists.
inline constexpr const char* kConfigPath = "/etc/layby/layby.json";

// A configuration is a page or two. A larger file was named by mistake.
inline constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

// A share of the file system, in percent, or a number of bytes.
struct Percent {
  int value = 0;
  bool operator==(const Percent&) const = default;
};
using SizeLimit = std::variant<Percent, std::uint64_t>;
// A share of a number, or a number.
using CountLimit = std::variant<Percent, int>;

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
  int max_downloads = 32;         // Blobs at a time.
  int requests_per_minute = 300;  // 0 for no limit.
};

// How long the tags of some images are fresh.
struct TagRuleConfig {
  std::vector<std::string> images;              // "python:*-slim"; policy::FreshnessRule
  std::chrono::milliseconds fresh_for{60'000};  // policy::kForever: they never change.
};

// Another max_rate for a part of the day.
struct RateWindowConfig {
  std::string window;          // policy::DayWindow
  std::uint64_t max_rate = 0;  // As upstream.max_rate.
};

struct Config {
  std::string listen = "0.0.0.0:5000";
  std::string data_dir = "/var/lib/layby";
  std::string socket = "/run/layby/layby.sock";
  std::string log_level = "info";  // log.level
  std::chrono::milliseconds shutdown_grace{10'000};
  int helper_threads = 4;
  struct {
    std::string listen = "0.0.0.0:5443";
    std::string certificate_file;  // Empty for no TLS.
    std::string key_file;
  } tls;
  struct {
    SizeLimit max_bytes = Percent{80};
    SizeLimit min_free_bytes = std::uint64_t{1} << 30;
  } cache;
  struct {
    std::chrono::milliseconds every{std::chrono::hours(24 * 30)};
    std::uint64_t max_rate = 8 << 20;  // Bytes a second.
  } scrub;
  struct {
    std::chrono::milliseconds fresh_for{60'000};
    std::chrono::milliseconds revalidate_timeout{2'000};
    std::chrono::milliseconds stale_while_revalidate{0};
    std::chrono::milliseconds keep_fresh{600'000};  // 0 for never.
    std::chrono::milliseconds unknown_for{10'000};
    std::vector<TagRuleConfig> rules;  // The first rule that matches counts.
  } tags;
  struct {
    CountLimit reserve = Percent{20};  // Of the pull limit.
  } quota;
  std::vector<UpstreamConfig> upstreams{UpstreamConfig{}};
  struct {
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds request_timeout{30'000};
    std::chrono::milliseconds stall_timeout{30'000};
    std::uint64_t max_rate = 0;  // Of all blobs together, bytes a second; 0 for no limit.
    std::vector<RateWindowConfig> windows;  // The first window that contains the time counts.
    int attempts = 4;  // For one upstream request or fill step, the first attempt included.
  } upstream;
  struct {
    int max_connections = 4096;
    int max_connections_per_client = 1024;  // Of one IP address.
    std::uint64_t header_bytes = 16 << 10;
    std::chrono::milliseconds request_timeout{20'000};  // For a whole request head.
    std::chrono::milliseconds idle_timeout{75'000};     // Between requests.
    std::chrono::milliseconds stall_timeout{60'000};    // For a client that takes no byte.
  } limits;
  struct {
    std::uint64_t send_buffer_bytes = 256 << 10;
    std::uint64_t notsent_lowat_bytes = 128 << 10;
  } sockets;
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
