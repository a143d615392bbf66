// SPDX-License-Identifier: Apache-2.0
//
// The pull half of the distribution API (OCI distribution-spec 1.1; Docker Registry
// HTTP API v2) over the cache: routes in, answers with the right statuses, headers and
// error bodies out. Policy is applied here, before anything is looked up. Never
// answers 401 or 429: the first would draw a client's Docker Hub password, the second
// makes containerd hammer instead of trying its next host.

#ifndef LAYBY_SERVER_REGISTRY_API_H_
#define LAYBY_SERVER_REGISTRY_API_H_

#include "layby/cache/cache.h"
#include "layby/server/http_server.h"

namespace layby::server {

class RegistryApi final : public Handler {
 public:
  explicit RegistryApi(cache::Cache& cache) : cache_(cache) {}

  // For paths under /v2.
  cache::Handle handle(const Request& request, Respond respond) override;

 private:
  cache::Cache& cache_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_REGISTRY_API_H_
