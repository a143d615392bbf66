// SPDX-License-Identifier: Apache-2.0
//
// Which upstream a request under /v2/ means, and which repository of it. Clients say it in
// one of these, of which the first counts:
//
//   ?ns=ghcr.io               containerd, and a Layby whose parent this is
//   /v2/ghcr.io/acme/tool/…   an image named by this box, or a prefix in a mirror's location
//   Host: ghcr.io             a name that resolves to this box
//
// A request that says nothing is for the first upstream. Nothing here waits.

#ifndef LAYBY_SERVER_ORIGIN_CHOICE_H_
#define LAYBY_SERVER_ORIGIN_CHOICE_H_

#include <string>
#include <variant>

#include "layby/cache/cache.h"
#include "layby/server/http_server.h"

namespace layby::server {

struct Target {
  const cache::Origin* origin = nullptr;
  std::string repository;  // As the origin calls it: "library/debian".
  std::string registry;    // That the client wrote before it; mostly none.

  // As the client calls it: "ghcr.io/acme/tool".
  std::string client_name() const {
    return registry.empty() ? repository : registry + "/" + repository;
  }
};

// `name` is a route's repository, so that oci::is_qualified_repository holds. The answer to
// the client when it names no upstream, or a repository which that upstream doesn't serve.
std::variant<Target, Response> choose_origin(const cache::Cache& cache, const Request& request,
                                             const std::string& name);

}  // namespace layby::server

#endif  // LAYBY_SERVER_ORIGIN_CHOICE_H_
