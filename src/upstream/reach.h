// SPDX-License-Identifier: Apache-2.0
//
// A Reach decides to which addresses a registry may send our requests, by redirects and by token
// servers. The address of the socket counts, so a name server can't cheat. A request to the
// registry's own scheme, host and port may go to any address, because the operator has named the
// registry. A request through a proxy isn't judged, because only the proxy knows the address. Loop
// thread only.

#ifndef LAYBY_UPSTREAM_REACH_H_
#define LAYBY_UPSTREAM_REACH_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/ip_address.h"
#include "layby/http/url.h"
#include "layby/policy/address_scope.h"

namespace layby::upstream {

// The address and the port to which a socket leads.
struct SocketAddress {
  IpAddress address;
  std::uint16_t port = 0;
};

// The port of the proxy that `text` names, by curl's rules: "http://proxy:3128", "proxy",
// "[::1]:80".
std::uint16_t proxy_port(std::string_view text);

class Reach {
 public:
  struct Settings {
    http::Url registry;
    std::string proxy;  // "" for the proxy of the environment.
    bool allow_private = false;
  };
  // `own_ports` are the ports on which this process serves. The vector outlives the Reach, and may
  // change.
  Reach(Settings settings, const std::vector<std::uint16_t>& own_ports);

  // Learns that a request for `url` was answered by `peer`.
  void note_answer(const http::Url& url, const SocketAddress& peer);
  // "" if a request for `url` may go to `peer`; otherwise the reason why not, with advice.
  std::string refusal(const http::Url& url, const SocketAddress& peer) const;

 private:
  bool may_be_proxy(const http::Url& url, const SocketAddress& peer) const;
  bool is_proxy(const http::Url& url, const SocketAddress& peer) const;
  bool is_own_listener(const SocketAddress& peer) const;

  const Settings settings_;
  const std::vector<std::uint16_t>& own_ports_;
  // The scope of the address from which the registry itself answered last. The scope is kPublic
  // before the first answer, and after an answer that a proxy may have passed on.
  policy::AddressScope home_ = policy::AddressScope::kPublic;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_REACH_H_
