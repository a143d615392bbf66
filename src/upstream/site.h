// SPDX-License-Identifier: Apache-2.0
//
// What all requests to one registry share. Owned by the Registry; outlives its
// requests. Loop thread only.

#ifndef LAYBY_UPSTREAM_SITE_H_
#define LAYBY_UPSTREAM_SITE_H_

#include <optional>
#include <string>

#include "layby/upstream/registry.h"
#include "upstream/blob_slots.h"
#include "upstream/driver.h"
#include "upstream/exchange.h"
#include "upstream/tokens.h"

namespace layby::upstream {

struct Site {
  Site(RegistryOptions given, Multi& multi, const Clock& given_clock, Counters& given_counters);

  // Where to ask for `path`, which stands behind "/v2/", its query too.
  std::string url(const std::string& path) const;
  // Remembers the pull limit that a manifest answer states.
  void note_quota(const http::Headers& headers);

  RegistryOptions options;
  Transport transport;
  Driver& driver;
  const Clock& clock;
  Counters& counters;
  std::string base;  // "https://registry-1.docker.io/v2/"
  std::string host;  // For messages.
  BlobSlots blob_slots;
  Tokens tokens;
  std::optional<policy::QuotaState> quota;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_SITE_H_
