// SPDX-License-Identifier: Apache-2.0
//
// IP addresses and networks as values. An IPv4 address is held as its IPv4-mapped IPv6 address,
// ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2), so that the addresses of both families can be
// compared.

#ifndef LAYBY_BASE_IP_ADDRESS_H_
#define LAYBY_BASE_IP_ADDRESS_H_

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace layby {

struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  // In network order. All zeros mean no address.

  bool is_v4() const;
  auto operator<=>(const IpAddress&) const = default;
};

// "10.0.0.7" or "2001:db8::1"; nullopt for any other text.
std::optional<IpAddress> parse_ip_address(std::string_view text);
// The address of an AF_INET or AF_INET6 socket; nullopt for another family.
std::optional<IpAddress> ip_address_of(const sockaddr& address);
std::string to_string(const IpAddress& address);

struct IpNetwork {
  IpAddress address;    // The bits after the prefix are zero.
  int prefix_bits = 0;  // 0 to 128, also for IPv4: 10.0.0.0/8 has 96 + 8.

  bool contains(const IpAddress& other) const;
  auto operator<=>(const IpNetwork&) const = default;
};

// Parses a network such as "10.0.0.0/8" or "fd00::/8" (RFC 4632, section 3.1); an address alone is
// a network of one address. nullopt for any other text, and for a network with bits set after its
// prefix.
std::optional<IpNetwork> parse_ip_network(std::string_view text);
std::string to_string(const IpNetwork& network);

// The address under which limits and shares count a client: `client` itself for IPv4, and the first
// address of its /64 for IPv6. One machine usually owns a whole /64.
IpAddress counted_address(const IpAddress& client);

struct HashIpAddress {
  std::size_t operator()(const IpAddress& address) const;
};

}  // namespace layby

#endif  // LAYBY_BASE_IP_ADDRESS_H_
