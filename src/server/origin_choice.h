// SPDX-License-Identifier: Apache-2.0
//
// Finds the upstream and the repository that a request under /v2/ is for. A client names the
// upstream in one of three ways. If a request uses several ways, the first in this list counts:
//
//   ?ns=ghcr.io               sent by containerd, and by a Layby whose parent is this Layby
//   /v2/ghcr.io/acme/tool/…   an image name that begins with this machine, or a mirror's prefix
//   Host: ghcr.io             a name that resolves to this machine
//
// A request that names no upstream is for the first upstream. No function here waits.

#ifndef LAYBY_SERVER_ORIGIN_CHOICE_H_
#define LAYBY_SERVER_ORIGIN_CHOICE_H_

#include <string>
#include <variant>

#include "layby/cache/cache.h"
#include "layby/server/http_server.h"

namespace layby::server {

struct Target {
  const cache::Origin* origin = nullptr;
  std::string repository;  // The origin's name for the repository: "library/debian".
  std::string registry;    // The registry that the client wrote in the path; "" for none.

  // The client's name for the repository: "ghcr.io/acme/tool".
  std::string client_name() const {
    return registry.empty() ? repository : registry + "/" + repository;
  }
};

// `name` is the repository of a route, so oci::is_qualified_repository(name) holds. Returns
// the refusal when the client names an unknown registry, or a repository that the upstream
// doesn't serve.
std::variant<Target, Response> choose_origin(const cache::Cache& cache, const Request& request,
                                             const std::string& name);

}  // namespace layby::server

#endif  // LAYBY_SERVER_ORIGIN_CHOICE_H_
