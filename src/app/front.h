// SPDX-License-Identifier: Apache-2.0
//
// The handler of all listeners. Requests under /v2 go to the registry's API. All other requests go
// to the route table, unless PageHosts refuses the host name in the request.

#ifndef LAYBY_SRC_APP_FRONT_H_
#define LAYBY_SRC_APP_FRONT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/page_hosts.h"
#include "layby/server/http_server.h"

namespace layby::app {

class Front final : public server::Handler {
 public:
  // The handlers outlive the Front.
  Front(server::Handler& api, server::Handler& pages, PageHosts hosts)
      : api_(api), pages_(pages), hosts_(std::move(hosts)) {}

  // Replaces the configured host names of the pages.
  void set_hosts(std::vector<std::string> hosts) { hosts_.set_configured(std::move(hosts)); }

  Handle handle(const server::Request& request, Respond respond) override {
    if (is_api(request.path)) return api_.handle(request, std::move(respond));
    if (auto refusal = hosts_.judge(request)) {
      respond(std::move(*refusal));
      return nullptr;
    }
    return pages_.handle(request, std::move(respond));
  }

 private:
  static bool is_api(std::string_view path) { return path == "/v2" || path.starts_with("/v2/"); }

  server::Handler& api_;
  server::Handler& pages_;
  PageHosts hosts_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_FRONT_H_
