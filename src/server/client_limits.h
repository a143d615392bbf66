// SPDX-License-Identifier: Apache-2.0
//
// What one client may take of the server: a number of connections and a rate of requests. Behind a
// trusted proxy, the client is the address that the proxy names, and the proxy itself has no limit
// of a client. Clients are counted by counted_address(). Lives on the loop thread.

#ifndef LAYBY_SERVER_CLIENT_LIMITS_H_
#define LAYBY_SERVER_CLIENT_LIMITS_H_

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/ip_address.h"
#include "layby/policy/client_rates.h"
#include "layby/server/http_server.h"

namespace layby::server {

class ClientLimits;

// One of the connections that a client may have, until the place is destroyed. A place without a
// client counts nowhere.
class ClientPlace {
 public:
  ClientPlace() = default;
  ClientPlace(ClientPlace&& other) noexcept;
  ClientPlace& operator=(ClientPlace&& other) noexcept;
  ~ClientPlace();

 private:
  friend class ClientLimits;
  ClientPlace(ClientLimits& limits, const IpAddress& counted)
      : limits_(&limits), counted_(counted) {}

  ClientLimits* limits_ = nullptr;
  IpAddress counted_;
};

class ClientLimits {
 public:
  ClientLimits(const Limits& limits, const Clock& clock);

  // Replaces the limits. Places that clients have stay theirs, even above a lower limit. A proxy
  // that is trusted no more counts as a client from its next request on.
  void set_limits(const Limits& limits);

  // Whether `address` belongs to limits.trusted_proxies.
  bool is_proxy(const IpAddress& address) const;

  // Makes `client` the client at `address`.
  void name(ClientInfo& client, const IpAddress& address) const;

  // A place for one more connection of `client`; nullopt above max_connections_per_client. A local
  // client and a proxy need no place, and get a place without a client. The places of a
  // ClientLimits don't outlive it.
  std::optional<ClientPlace> place_for(const ClientInfo& client);

  // Returns the answer that refuses `request` because its client takes too much; nullopt lets the
  // request pass. For a request of a proxy, request.client becomes the client that
  // X-Forwarded-For names, and `place` becomes a place of this client, for as long as the request
  // lasts.
  std::optional<Response> judge(Request& request, ClientPlace& place);

  std::size_t clients() const { return places_.size(); }

 private:
  friend class ClientPlace;
  static bool is_exempt(const ClientInfo& client) { return client.is_local || client.is_proxy; }
  void name_forwarded(Request& request) const;
  std::optional<Response> over_rate(const Request& request);
  void leave(const IpAddress& counted);

  int most_places_ = 0;
  const Clock& clock_;
  std::vector<IpNetwork> proxies_;
  std::unordered_map<IpAddress, int, HashIpAddress> places_;  // No count is 0.
  policy::ClientRates rates_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_CLIENT_LIMITS_H_
