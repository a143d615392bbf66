// SPDX-License-Identifier: Apache-2.0
//
// The route table: everything that the listener serves beside /v2 is one row of it, with
// its method, its path, who may ask and what answers. 404, 405 and Allow come from the
// table. Lives on the loop thread.

#ifndef LAYBY_WEB_ROUTES_H_
#define LAYBY_WEB_ROUTES_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/async.h"
#include "layby/server/http_server.h"

namespace layby::web {

enum class Who {
  kAnyone,    // Whoever reaches a listener.
  kOperator,  // The Unix socket, and clients whom the gate knows by name.
  kLocal,     // The Unix socket alone.
};

// Whether `client` belongs to `who`.
bool belongs_to(const server::ClientInfo& client, Who who);

struct Route {
  // As server::Handler::handle.
  using Answer =
      std::function<Handle(const server::Request& request, server::Handler::Respond respond)>;

  std::string method;  // "GET", which stands for HEAD too, or "POST".
  std::string path;    // All of it: "/stats".
  Who who = Who::kAnyone;
  std::string summary;  // One sentence without a full stop, for people.
  Answer answer;
};

// A row's answer that is given at once.
Route::Answer at_once(std::function<server::Response(const server::Request&)> make);

class Routes final : public server::Handler {
 public:
  // No two routes have the same method and path.
  void add(Route route);

  // A path without a route that the client may use is 404; a method that no such route has is
  // 405 with Allow.
  Handle handle(const server::Request& request, Respond respond) override;

  const std::vector<Route>& all() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace layby::web

#endif  // LAYBY_WEB_ROUTES_H_
