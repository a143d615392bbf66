// SPDX-License-Identifier: Apache-2.0
//
// Limits the connections and the rate of requests of each client. If a trusted proxy names a
// client, the limits apply to the named client; the proxy itself has no limits. Clients are counted
// by counted_address(). Lives on the loop thread.

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

// A ClientPlace counts as one connection of its client until the place is destroyed. A place
// without a client counts for nobody.
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

  // Replaces the limits. Clients keep their places, even if the new limit is lower. A proxy that
  // the new limits don't trust counts as a client from its next request on.
  void set_limits(const Limits& limits);

  // Whether `address` belongs to limits.trusted_proxies.
  bool is_proxy(const IpAddress& address) const;

  // Sets the fields of `client` to the client at `address`.
  void name(ClientInfo& client, const IpAddress& address) const;

  // A place for one more connection of `client`; nullopt if `client` has max_connections_per_client
  // places. A local client or a proxy gets a place without a client. The ClientLimits outlives its
  // places.
  std::optional<ClientPlace> place_for(const ClientInfo& client);

  // Returns a refusal if the client of `request` is above its limits; nullopt lets the request
  // pass. If the request comes from a proxy, request.client becomes the client that X-Forwarded-For
  // names, and `place` becomes a place of the named client. The caller keeps `place` until the
  // request is answered.
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
  std::unordered_map<IpAddress, int, HashIpAddress> places_;  // Every count is at least 1.
  policy::ClientRates rates_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_CLIENT_LIMITS_H_
