// SPDX-License-Identifier: Apache-2.0
//
// Parses the header of the PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt, section
// 2). A proxy sends the header before the first byte of its client, also before a TLS handshake.

#ifndef LAYBY_SERVER_PROXY_HEADER_H_
#define LAYBY_SERVER_PROXY_HEADER_H_

#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>

#include "layby/base/ip_address.h"

namespace layby::server {

// The most bytes of a header that is accepted. The addresses need 52 bytes; the rest is for the
// extensions (TLVs), which are skipped.
inline constexpr std::size_t kMostProxyHeaderBytes = 4096;

// The bytes may begin a header. `least` is the number of bytes that can decide more, and is above
// the number of bytes given.
struct ProxyHeaderUnfinished {
  std::size_t least = 0;
};
// The bytes begin no header: they are the client's own.
struct NoProxyHeader {};
// The header is whole and has `bytes` bytes.
struct ProxyHeader {
  std::size_t bytes = 0;
  // Nothing when the proxy speaks for itself (LOCAL), or for a client without an IP address.
  std::optional<IpAddress> client;
};
// The bytes begin a header with a mistake. The connection must be closed.
struct BadProxyHeader {};

using ProxyHeaderResult =
    std::variant<ProxyHeaderUnfinished, NoProxyHeader, ProxyHeader, BadProxyHeader>;

// `bytes` are the first bytes of a connection, all that have arrived.
ProxyHeaderResult parse_proxy_header(std::string_view bytes);

}  // namespace layby::server

#endif  // LAYBY_SERVER_PROXY_HEADER_H_
