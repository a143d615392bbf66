// SPDX-License-Identifier: Apache-2.0
//
// Finds the client behind trusted proxies in X-Forwarded-For. Each proxy adds the address of its
// own client at the end of the list, and anybody can write the list's beginning. So the list is
// read from the right, and only the part that trusted proxies have written counts.

#ifndef LAYBY_SERVER_FORWARDED_H_
#define LAYBY_SERVER_FORWARDED_H_

#include <string_view>
#include <vector>

#include "layby/base/ip_address.h"

namespace layby::server {

bool is_trusted(const IpAddress& address, const std::vector<IpNetwork>& proxies);

// The right-most address in `list` that is no trusted proxy. `list` is read from the right, up to
// the first member that is no address. If all these members are trusted proxies, the result is the
// left-most of them. If `list` is empty or its last member is no address, the result is `proxy`. A
// member may have a port: "192.0.2.1:5000", "[2001:db8::1]:5000".
IpAddress forwarded_client(const IpAddress& proxy, std::string_view list,
                           const std::vector<IpNetwork>& proxies);

}  // namespace layby::server

#endif  // LAYBY_SERVER_FORWARDED_H_
