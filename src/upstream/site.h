// SPDX-License-Identifier: Apache-2.0
//
// A Site is the state that all requests to one registry share. The Registry owns the Site, which
// outlives the requests. Loop thread only.

#ifndef LAYBY_UPSTREAM_SITE_H_
#define LAYBY_UPSTREAM_SITE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layby/base/ip_address.h"
#include "layby/upstream/registry.h"
#include "upstream/driver.h"
#include "upstream/exchange.h"
#include "upstream/reach.h"
#include "upstream/tokens.h"

namespace layby::upstream {

struct Site {
  Site(RegistryOptions given, Multi& multi, const Clock& given_clock, Counters& given_counters);

  // The URL for `path`, the part of a URL after "/v2/" with its query. Adds ?ns= if ns is set.
  std::string url(const std::string& path) const;
  // The number of a request that is about to be sent. The first request has the number 1.
  std::uint64_t next_request() { return ++requests_sent; }
  // Remembers the pull limit that the answer to request `number` states. If the answer states no
  // pull limit, the last pull limit is forgotten.
  void note_quota(std::uint64_t number, const http::Headers& headers);

  // Remembers the boxes that an answer names in Via (RFC 9110 section 7.6.3). Only the answers of a
  // Layby name boxes.
  void note_boxes(const http::Headers& headers);
  // The client to tell to this registry, for a request on behalf of `clients`: the address of the
  // first client. "" if the registry is no parent, or if the first client is this box: a parent
  // knows the address of this box from the connection.
  std::string told_client(const std::vector<IpAddress>& clients) const;
  // The header that names this box; "" without an id.
  std::string loop_header() const;

  RegistryOptions options;
  Reach reach;
  Transport transport;
  Driver& driver;
  const Clock& clock;
  Counters& counters;
  std::string base;  // "https://registry-1.docker.io/v2/"
  std::string host;  // The registry's host, for messages.
  Tokens tokens;
  // Until this time a GET replaces each HEAD of a manifest; nullopt if the registry supports HEAD.
  std::optional<SteadyTime> heads_refused_until;
  std::optional<policy::QuotaState> quota;
  std::vector<std::string> boxes;  // The boxes in Via of the last answer, at most kMostBoxes.
  std::uint64_t requests_sent = 0;
  std::uint64_t sent_before_quota = 0;  // requests_sent when `quota` was set.
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_SITE_H_
