// SPDX-License-Identifier: Apache-2.0
//
// Version 1 is a line of text, version 2 is binary. The two versions begin with different bytes,
// and no request or TLS record begins with the same bytes. So the first bytes show whether a header
// comes, and which version.

#include "server/proxy_header.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>

#include "layby/base/number.h"

namespace layby::server {
namespace {

constexpr std::string_view kLineStart = "PROXY ";
constexpr std::size_t kMostLineBytes = 107;  // Section 2.1 counts the line's end too.
constexpr std::string_view kBinaryStart{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t kBinaryHead = 16;
constexpr std::size_t kV4Block = 12;  // Two addresses and two ports.
constexpr std::size_t kV6Block = 36;

bool is_port(std::string_view text) {
  const auto port = parse_number(text);
  return port && *port <= 65'535;
}

// Parses a line such as "TCP4 192.0.2.1 192.0.2.2 51234 443".
ProxyHeaderResult parse_line(std::string_view line, std::size_t header_bytes) {
  std::array<std::string_view, 5> parts;
  for (std::string_view& part : parts) {
    part = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(part.size() + 1, line.size()));
  }
  // The protocol says to ignore everything after UNKNOWN.
  if (parts[0] == "UNKNOWN") return ProxyHeader{header_bytes, std::nullopt};
  const auto from = parse_ip_address(parts[1]);
  const auto to = parse_ip_address(parts[2]);
  const bool known = parts[0] == "TCP4" || parts[0] == "TCP6";
  if (!known || !from || !to || !is_port(parts[3]) || !is_port(parts[4]) || !line.empty()) {
    return BadProxyHeader{};
  }
  return ProxyHeader{header_bytes, from};
}

ProxyHeaderResult parse_text(std::string_view bytes) {
  const std::size_t end = bytes.substr(0, kMostLineBytes).find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= kMostLineBytes) return BadProxyHeader{};
    return ProxyHeaderUnfinished{bytes.size() + 1};
  }
  return parse_line(bytes.substr(kLineStart.size(), end - kLineStart.size()), end + 2);
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  assert(at < bytes.size());
  return static_cast<std::uint8_t>(bytes[at]);
}

// The first address of `block`, which is the address of the client.
IpAddress first_address(std::string_view block, bool is_v4) {
  IpAddress address;
  const std::size_t size = is_v4 ? 4 : 16;
  const std::size_t before = address.bytes.size() - size;
  if (is_v4) address.bytes[before - 1] = address.bytes[before - 2] = 0xff;
  for (std::size_t i = 0; i < size; ++i) address.bytes[before + i] = byte_at(block, i);
  return address;
}

ProxyHeaderResult parse_binary(std::string_view bytes) {
  if (bytes.size() < kBinaryHead) return ProxyHeaderUnfinished{kBinaryHead};
  const std::uint8_t version = byte_at(bytes, 12) >> 4U;
  const std::uint8_t command = byte_at(bytes, 12) & 0x0fU;
  const std::uint8_t family = byte_at(bytes, 13) >> 4U;  // 1: IPv4, 2: IPv6.
  const std::size_t length = byte_at(bytes, 14) * 256U + byte_at(bytes, 15);
  const std::size_t whole = kBinaryHead + length;
  if (version != 2 || command > 1 || whole > kMostProxyHeaderBytes) return BadProxyHeader{};
  if (bytes.size() < whole) return ProxyHeaderUnfinished{whole};
  const bool is_ip = family == 1 || family == 2;
  if (command == 0 || !is_ip) return ProxyHeader{whole, std::nullopt};
  if (length < (family == 1 ? kV4Block : kV6Block)) return BadProxyHeader{};
  return ProxyHeader{whole, first_address(bytes.substr(kBinaryHead, length), family == 1)};
}

}  // namespace

ProxyHeaderResult parse_proxy_header(std::string_view bytes) {
  if (bytes.empty()) return ProxyHeaderUnfinished{1};
  if (bytes.starts_with(kLineStart)) return parse_text(bytes);
  if (bytes.starts_with(kBinaryStart)) return parse_binary(bytes);
  // These bytes may also begin a request: POST begins with "P", and a line end may stand before a
  // request (RFC 9112, section 2.2).
  if (kLineStart.starts_with(bytes) || kBinaryStart.starts_with(bytes)) {
    return ProxyHeaderUnfinished{bytes.size() + 1};
  }
  return NoProxyHeader{};
}

}  // namespace layby::server
