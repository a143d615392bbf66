// SPDX-License-Identifier: Apache-2.0
//
// The route table has a row for each method and path that the server answers outside /v2. A row
// says who may ask and which function answers. The statuses 404 and 405 and the header Allow
// follow from the table. Lives on the loop thread.

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
  kAnyone,    // Every client that reaches a listener.
  kOperator,  // Clients of the Unix socket, and clients to whom the gate gave a user.
  kLocal,     // Clients of the Unix socket only.
};

// Whether `client` belongs to `who`.
bool belongs_to(const server::ClientInfo& client, Who who);

struct Route {
  // Has the contract of server::Handler::handle.
  using Answer =
      std::function<Handle(const server::Request& request, server::Handler::Respond respond)>;

  std::string method;  // "GET", which also allows HEAD, or "POST".
  std::string path;    // The whole path: "/stats".
  Who who = Who::kAnyone;
  std::string summary;  // One sentence without a full stop, for people.
  Answer answer;
};

// Makes an Answer that responds inside its call, with the result of `make`.
Route::Answer at_once(std::function<server::Response(const server::Request&)> make);

class Routes final : public server::Handler {
 public:
  // No two routes have the same method and path.
  void add(Route route);

  // Answers 404 if the client may use no route of the path. Answers 405 with Allow if the client
  // may use routes of the path, but with other methods.
  Handle handle(const server::Request& request, Respond respond) override;

  const std::vector<Route>& all() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace layby::web

#endif  // LAYBY_WEB_ROUTES_H_
