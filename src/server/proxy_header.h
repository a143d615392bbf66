// SPDX-License-Identifier: Apache-2.0
//
// Parses the header of the PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt, section
// 2). A proxy sends the header before the first byte of its client, and so before a TLS handshake.

#ifndef LAYBY_SERVER_PROXY_HEADER_H_
#define LAYBY_SERVER_PROXY_HEADER_H_

#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>

#include "layby/base/ip_address.h"

namespace layby::server {

// A header with more bytes is refused. The addresses need 52 bytes; the other bytes are extensions
// (TLVs), which are skipped.
inline constexpr std::size_t kMostProxyHeaderBytes = 4096;

// The bytes that have arrived may be the beginning of a header. Call parse_proxy_header() again
// when at least `least` bytes have arrived; `least` is above the number of the present bytes.
struct ProxyHeaderUnfinished {
  std::size_t least = 0;
};
// The connection has no header. Its first bytes come from the client.
struct NoProxyHeader {};
// The header is whole and has `bytes` bytes.
struct ProxyHeader {
  std::size_t bytes = 0;
  // nullopt if the proxy speaks for itself (LOCAL), or for a client without an IP address.
  std::optional<IpAddress> client;
};
// The header has a mistake. The connection must be closed.
struct BadProxyHeader {};

using ProxyHeaderResult =
    std::variant<ProxyHeaderUnfinished, NoProxyHeader, ProxyHeader, BadProxyHeader>;

// `bytes` are all bytes of a connection that have arrived.
ProxyHeaderResult parse_proxy_header(std::string_view bytes);

}  // namespace layby::server

#endif  // LAYBY_SERVER_PROXY_HEADER_H_
