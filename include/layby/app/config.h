// SPDX-License-Identifier: Apache-2.0
//
// The configuration: one JSON file with comments. Every key has a default that suits
// an edge box, so an empty file, or none, is a whole configuration.

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

// A share of the file system, in percent, or a number of bytes.
struct Percent {
  int value = 0;
  bool operator==(const Percent&) const = default;
};
using SizeLimit = std::variant<Percent, std::uint64_t>;

struct UpstreamConfig {
  std::string name = "docker.io";
  std::string url = "https://registry-1.docker.io";
  std::vector<std::string> allow{"library/*"};
  std::string username;
  std::string password_file;
  std::string ca_file;
  std::string proxy;
};

struct Config {
  std::string listen = "0.0.0.0:5000";
  std::string data_dir = "/var/lib/layby";
  std::string socket = "/run/layby/layby.sock";
  std::string log_level = "info";  // log.level
  std::chrono::milliseconds shutdown_grace{10'000};
  int helper_threads = 4;
  struct {
    SizeLimit max_bytes = Percent{80};
    SizeLimit min_free_bytes = std::uint64_t{1} << 30;
  } cache;
  struct {
    std::chrono::milliseconds fresh_for{60'000};
    std::chrono::milliseconds revalidate_timeout{2'000};
  } tags;
  std::vector<UpstreamConfig> upstreams{UpstreamConfig{}};
  struct {
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds request_timeout{30'000};
    std::chrono::milliseconds stall_timeout{30'000};
    int attempts = 4;  // Of one upstream request or fill step, the first one included.
  } upstream;
  struct {
    int max_connections = 4096;
    std::uint64_t header_bytes = 16 << 10;
    std::chrono::milliseconds request_timeout{20'000};  // For a whole request head.
    std::chrono::milliseconds idle_timeout{75'000};     // Between requests.
    std::chrono::milliseconds stall_timeout{60'000};    // A client that takes no byte.
  } limits;
  struct {
    std::uint64_t send_buffer_bytes = 256 << 10;
    std::uint64_t notsent_lowat_bytes = 128 << 10;
  } sockets;
  std::string prefetch = "/etc/layby/prefetch.json";
};

// One thing that is wrong: where ("upstreams[0].url", or "line 3, column 7" for JSON
// that can't be read) and what to write instead.
struct ConfigFault {
  std::string path;
  std::string message;
};

// Reads a configuration. All faults of the text, at once; none means `config` is whole.
struct ConfigOutcome {
  Config config;
  std::vector<ConfigFault> faults;
};
ConfigOutcome parse_config(std::string_view json);

// The same for a file; a file that can't be read is a fault.
ConfigOutcome load_config(const std::string& path);

}  // namespace layby::app

#endif  // LAYBY_APP_CONFIG_H_
