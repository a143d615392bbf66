// SPDX-License-Identifier: Apache-2.0
//
// The pull half of the distribution API (OCI distribution-spec 1.1; Docker Registry
// HTTP API v2) over the cache: a RegistryApi turns routes into calls of the cache, and results
// into answers with status, headers and error body. Before any look-up, the API refuses a
// repository that the configuration doesn't allow. The API never answers 401, because a client
// would then send its Docker Hub password, and never 429, because containerd would then repeat
// its request instead of trying its next host.

#ifndef LAYBY_SERVER_REGISTRY_API_H_
#define LAYBY_SERVER_REGISTRY_API_H_

#include "layby/cache/cache.h"
#include "layby/server/http_server.h"

namespace layby::server {

class RegistryApi final : public Handler {
 public:
  explicit RegistryApi(cache::Cache& cache) : cache_(cache) {}

  // `request.path` is under /v2.
  Handle handle(const Request& request, Respond respond) override;

 private:
  cache::Cache& cache_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_REGISTRY_API_H_
