// SPDX-License-Identifier: Apache-2.0

#include "layby/policy/address_scope.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <vector>

namespace layby::policy {
namespace {

struct Row {
  IpNetwork network;
  AddressScope scope;
};

// The networks that are not public. The first row whose network contains an address gives the scope
// of the address.
const std::vector<Row>& rows() {
  const auto row = [](std::string_view network, AddressScope scope) {
    const auto parsed = parse_ip_network(network);
    assert(parsed);
    return Row{*parsed, scope};
  };
  static const std::vector<Row> kRows{
      row("255.255.255.255", AddressScope::kNoHost),
      row("0.0.0.0/8", AddressScope::kNoHost),
      row("224.0.0.0/4", AddressScope::kNoHost),
      row("240.0.0.0/4", AddressScope::kNoHost),
      row("127.0.0.0/8", AddressScope::kLoopback),
      row("169.254.0.0/16", AddressScope::kLinkLocal),
      row("10.0.0.0/8", AddressScope::kPrivate),
      row("172.16.0.0/12", AddressScope::kPrivate),
      row("192.168.0.0/16", AddressScope::kPrivate),
      row("100.64.0.0/10", AddressScope::kPrivate),
      row("192.0.0.0/24", AddressScope::kPrivate),
      row("198.18.0.0/15", AddressScope::kPrivate),
      row("192.0.2.0/24", AddressScope::kPrivate),
      row("198.51.100.0/24", AddressScope::kPrivate),
      row("203.0.113.0/24", AddressScope::kPrivate),
      row("::", AddressScope::kNoHost),
      row("::1", AddressScope::kLoopback),
      row("ff00::/8", AddressScope::kNoHost),
      row("fe80::/10", AddressScope::kLinkLocal),
      row("fec0::/10", AddressScope::kPrivate),
      row("fc00::/7", AddressScope::kPrivate),
      row("64:ff9b:1::/48", AddressScope::kPrivate),
      row("2001:db8::/32", AddressScope::kPrivate),
      row("100::/64", AddressScope::kPrivate),
  };
  return kRows;
}

// A network of IPv6 addresses that carry an IPv4 address from byte `at` on.
struct Carrier {
  std::string_view network;
  std::size_t at;
};
constexpr std::array<Carrier, 3> kCarriers{{
    {"64:ff9b::/96", 12},  // RFC 6052, NAT64
    {"2002::/16", 2},      // RFC 3056, 6to4
    {"::/96", 12},         // RFC 4291, IPv4-compatible
}};

IpAddress carried(const IpAddress& carrier, std::size_t at) {
  IpAddress v4;
  v4.bytes[10] = v4.bytes[11] = 0xff;
  std::copy_n(carrier.bytes.begin() + static_cast<std::ptrdiff_t>(at), 4, v4.bytes.begin() + 12);
  return v4;
}

}  // namespace

AddressScope scope_of(const IpAddress& address) {
  for (const Row& row : rows()) {
    if (row.network.contains(address)) return row.scope;
  }
  for (const Carrier& carrier : kCarriers) {
    const auto network = parse_ip_network(carrier.network);
    assert(network);
    if (network->contains(address)) return scope_of(carried(address, carrier.at));
  }
  return AddressScope::kPublic;
}

std::string_view to_string(AddressScope scope) {
  switch (scope) {
    case AddressScope::kPublic:
      return "a public address";
    case AddressScope::kPrivate:
      return "a private address";
    case AddressScope::kLinkLocal:
      return "a link-local address";
    case AddressScope::kLoopback:
      return "a loopback address";
    case AddressScope::kNoHost:
      return "the address of no host";
  }
  return "";
}

bool may_send_to(AddressScope home, AddressScope target, bool allow_private) {
  switch (target) {
    case AddressScope::kPublic:
      return true;
    case AddressScope::kPrivate:
      return allow_private || home == AddressScope::kPrivate || home == AddressScope::kLoopback;
    case AddressScope::kLoopback:
      return allow_private || home == AddressScope::kLoopback;
    case AddressScope::kLinkLocal:
      return home == AddressScope::kLinkLocal;
    case AddressScope::kNoHost:
      return false;
  }
  return false;
}

}  // namespace layby::policy
