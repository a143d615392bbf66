// SPDX-License-Identifier: Apache-2.0

#include "layby/base/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <functional>

#include "layby/base/number.h"

namespace layby {
namespace {

constexpr std::array<std::uint8_t, 12> kV4Prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kAddressBits = 128;
constexpr int kV4PrefixBits = 96;
constexpr int kClientBits = 64;

IpAddress map_v4(const in_addr& v4) {
  IpAddress address;
  std::copy(kV4Prefix.begin(), kV4Prefix.end(), address.bytes.begin());
  const auto* octets = reinterpret_cast<const std::uint8_t*>(&v4);
  std::copy_n(octets, sizeof v4, address.bytes.begin() + kV4Prefix.size());
  return address;
}

IpAddress from_v6(const in6_addr& v6) {
  IpAddress address;
  std::copy_n(v6.s6_addr, address.bytes.size(), address.bytes.begin());
  return address;
}

IpAddress masked(IpAddress address, int prefix_bits) {
  assert(prefix_bits >= 0 && prefix_bits <= kAddressBits);
  for (int i = 0; i < static_cast<int>(address.bytes.size()); ++i) {
    const int bits = std::clamp(prefix_bits - 8 * i, 0, 8);
    address.bytes[i] &= static_cast<std::uint8_t>(0xff00U >> bits);
  }
  return address;
}

// Every connection needs its address as text, and inet_ntop() would take five times as long.
std::string v4_text(const std::uint8_t* octets) {
  std::array<char, INET_ADDRSTRLEN> text{};
  char* end = text.data();
  for (int i = 0; i < 4; ++i) {
    if (i > 0) *end++ = '.';
    end = std::to_chars(end, text.data() + text.size(), unsigned{octets[i]}).ptr;
  }
  return {text.data(), end};
}

}  // namespace

bool IpAddress::is_v4() const {
  return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes.begin());
}

std::optional<IpAddress> parse_ip_address(std::string_view text) {
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  in_addr v4{};
  if (::inet_pton(AF_INET, terminated.c_str(), &v4) == 1) return map_v4(v4);
  in6_addr v6{};
  if (::inet_pton(AF_INET6, terminated.c_str(), &v6) == 1) return from_v6(v6);
  return std::nullopt;
}

std::optional<IpAddress> ip_address_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    return map_v4(reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  }
  if (address.sa_family == AF_INET6) {
    return from_v6(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  }
  return std::nullopt;
}

std::string to_string(const IpAddress& address) {
  if (address.is_v4()) return v4_text(address.bytes.data() + kV4Prefix.size());
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET6, address.bytes.data(), text.data(), text.size());
  return text.data();
}

bool IpNetwork::contains(const IpAddress& other) const {
  return masked(other, prefix_bits) == address;
}

std::optional<IpNetwork> parse_ip_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_ip_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return IpNetwork{*address, kAddressBits};
  const auto bits = parse_number(text.substr(slash + 1));
  const int before = address->is_v4() ? kV4PrefixBits : 0;
  if (!bits || *bits > static_cast<std::uint64_t>(kAddressBits - before)) return std::nullopt;
  const int prefix_bits = before + static_cast<int>(*bits);
  if (masked(*address, prefix_bits) != *address) return std::nullopt;
  return IpNetwork{*address, prefix_bits};
}

std::string to_string(const IpNetwork& network) {
  const bool v4 = network.address.is_v4() && network.prefix_bits >= kV4PrefixBits;
  return to_string(network.address) + "/" +
         std::to_string(network.prefix_bits - (v4 ? kV4PrefixBits : 0));
}

IpAddress counted_address(const IpAddress& client) {
  return client.is_v4() ? client : masked(client, kClientBits);
}

std::size_t HashIpAddress::operator()(const IpAddress& address) const {
  return std::hash<std::string_view>()(
      {reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size()});
}

}  // namespace layby
