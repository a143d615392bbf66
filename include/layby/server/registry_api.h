// SPDX-License-Identifier: Apache-2.0
//
// The pull half of the distribution API (OCI distribution-spec 1.1; Docker Registry
// HTTP API v2) over the cache. A RegistryApi turns routes into calls of the cache, and turns the
// results into answers with status, headers and error body. Before any look-up, the API refuses a
// repository that the configuration doesn't allow. The API never answers 401, because a client
// would then send its Docker Hub password. The API never answers 429, because containerd would then
// repeat the request instead of trying its next host. (The server answers 429 to a client above
// limits.rate_per_client, before the API sees the request.)

#ifndef LAYBY_SERVER_REGISTRY_API_H_
#define LAYBY_SERVER_REGISTRY_API_H_

#include <string>
#include <utility>
#include <vector>

#include "layby/cache/cache.h"
#include "layby/server/http_server.h"

namespace layby::server {

class RegistryApi final : public Handler {
 public:
  // `box` is this box's id (http::make_box_id()); "" for none.
  explicit RegistryApi(cache::Cache& cache, std::string box = "")
      : cache_(cache), box_(std::move(box)) {}

  // `request.path` is under /v2.
  Handle handle(const Request& request, Respond respond) override;

 private:
  // Answers a request of another box. The answer's Via names this box and the boxes that this box
  // asks. A request that has already passed through one of these boxes would wait for itself, so
  // the answer is 508.
  Handle answer_box(const Request& request, Respond respond);
  // This box, and the boxes that the answer to `request` would come through.
  std::vector<std::string> path_of(const Request& request) const;

  cache::Cache& cache_;
  const std::string box_;
  bool loop_told_ = false;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_REGISTRY_API_H_
