// SPDX-License-Identifier: Apache-2.0

#include "server/forwarded.h"

#include <algorithm>
#include <optional>

#include "layby/http/headers.h"

namespace layby::server {
namespace {

std::optional<IpAddress> address_of(std::string_view member) {
  if (member.starts_with('[')) {
    const std::size_t close = member.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    return parse_ip_address(member.substr(1, close - 1));
  }
  // An IPv6 address has several colons, but an IPv4 address with a port has one.
  const std::size_t colon = member.find(':');
  const bool has_port = colon != std::string_view::npos && colon == member.rfind(':');
  return parse_ip_address(has_port ? member.substr(0, colon) : member);
}

// Removes the last member from `list`, and returns the member.
std::string_view take_last(std::string_view& list) {
  const std::size_t comma = list.rfind(',');
  const bool is_only = comma == std::string_view::npos;
  const std::string_view member = is_only ? list : list.substr(comma + 1);
  list = is_only ? std::string_view() : list.substr(0, comma);
  return http::trim(member);
}

}  // namespace

bool is_trusted(const IpAddress& address, const std::vector<IpNetwork>& proxies) {
  return std::any_of(proxies.begin(), proxies.end(),
                     [&](const IpNetwork& network) { return network.contains(address); });
}

IpAddress forwarded_client(const IpAddress& proxy, std::string_view list,
                           const std::vector<IpNetwork>& proxies) {
  IpAddress client = proxy;
  while (!list.empty()) {
    const auto address = address_of(take_last(list));
    if (!address) break;
    client = *address;
    if (!is_trusted(client, proxies)) break;
  }
  return client;
}

}  // namespace layby::server
