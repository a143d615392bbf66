// SPDX-License-Identifier: Apache-2.0
//
// The handler of all listeners. Requests under /v2 go to the registry's API, all other requests go
// to the route table.

#ifndef LAYBY_SRC_APP_FRONT_H_
#define LAYBY_SRC_APP_FRONT_H_

#include <string_view>
#include <utility>

#include "layby/server/http_server.h"

namespace layby::app {

class Front final : public server::Handler {
 public:
  // Both handlers outlive the Front.
  Front(server::Handler& api, server::Handler& pages) : api_(api), pages_(pages) {}

  Handle handle(const server::Request& request, Respond respond) override {
    server::Handler& handler = is_api(request.path) ? api_ : pages_;
    return handler.handle(request, std::move(respond));
  }

 private:
  static bool is_api(std::string_view path) { return path == "/v2" || path.starts_with("/v2/"); }

  server::Handler& api_;
  server::Handler& pages_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_FRONT_H_
