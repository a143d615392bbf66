// SPDX-License-Identifier: Apache-2.0
//
// A client that may not use a route gets the same answer as if the route didn't exist, so the
// client doesn't learn of the route.

#include "layby/web/routes.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/http/url.h"
#include "layby/web/answers.h"

namespace layby::web {
namespace {

bool has_method(const Route& route, std::string_view method) {
  return route.method == method || (route.method == "GET" && method == "HEAD");
}

// The methods of `routes`, for Allow: "GET, HEAD, POST".
std::string allow(const std::vector<const Route*>& routes) {
  std::string methods;
  for (const Route* route : routes) {
    methods += (methods.empty() ? "" : ", ") + route->method;
    if (route->method == "GET") methods += ", HEAD";
  }
  return methods;
}

}  // namespace

bool belongs_to(const server::ClientInfo& client, Who who) {
  switch (who) {
    case Who::kAnyone:
      return true;
    case Who::kOperator:
      return client.is_local || !client.user.empty();
    case Who::kLocal:
      return client.is_local;
  }
  return false;
}

Route::Answer at_once(std::function<server::Response(const server::Request&)> make) {
  return [make = std::move(make)](const server::Request& request,
                                  const server::Handler::Respond& respond) -> Handle {
    respond(make(request));
    return nullptr;
  };
}

void Routes::add(Route route) {
  assert(route.path.starts_with('/') && route.answer != nullptr && !route.summary.empty());
  assert(std::none_of(routes_.begin(), routes_.end(), [&](const Route& other) {
    return other.path == route.path && other.method == route.method;
  }));
  routes_.push_back(std::move(route));
}

Handle Routes::handle(const server::Request& request, Respond respond) {
  if (!http::has_valid_escapes(request.query)) {
    respond(error_answer(request, 400, "the query has a broken escape; write %XX, and never %00"));
    return nullptr;
  }
  std::vector<const Route*> of_path;
  for (const Route& route : routes_) {
    if (route.path != request.path || !belongs_to(request.client, route.who)) continue;
    if (has_method(route, request.method)) return route.answer(request, std::move(respond));
    of_path.push_back(&route);
  }
  if (of_path.empty()) {
    respond(error_answer(request, 404, "there is no such page; see /"));
    return nullptr;
  }
  const std::string methods = allow(of_path);
  server::Response refusal = error_answer(request, 405, "this page is for " + methods);
  refusal.headers.add("Allow", methods);
  respond(std::move(refusal));
  return nullptr;
}

}  // namespace layby::web
