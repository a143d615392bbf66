// SPDX-License-Identifier: Apache-2.0
//
// The limits that keep one client from hurting another. The values in this file are the defaults
// of the configuration.

#ifndef LAYBY_SERVER_LIMITS_H_
#define LAYBY_SERVER_LIMITS_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace layby::server {

struct Limits {
  int max_connections = 4096;
  int max_connections_per_client = 1024;  // Per counted_address().
  int rate_per_client = 0;                // Requests a minute per counted_address(); 0: no limit.
  int burst_per_client = 100;             // Requests that a quiet client may send at once.
  // Networks, as parse_ip_network() reads them. A proxy in these networks names its client by the
  // PROXY protocol or X-Forwarded-For. The limits for one client don't hold for the proxy itself.
  std::vector<std::string> trusted_proxies;
  std::uint64_t header_bytes = 16 << 10;  // The size of the largest head of a request.
  // The time from the first byte of a head to the last. A new connection has the same time for its
  // TLS handshake and the first byte of a head.
  std::chrono::milliseconds request_timeout{20'000};
  std::chrono::milliseconds idle_timeout{75'000};  // Between an answer and the next head.
  // How long a client may go without taking a byte.
  std::chrono::milliseconds stall_timeout{60'000};
  // SO_SNDBUF; fits in an int. If 0, the send buffer follows the path to the client.
  std::uint64_t send_buffer_bytes = 0;
  std::uint64_t notsent_lowat_bytes = 128 << 10;  // TCP_NOTSENT_LOWAT; fits in an int.

  bool operator==(const Limits&) const = default;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_LIMITS_H_
