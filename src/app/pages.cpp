// SPDX-License-Identifier: Apache-2.0
//
// The pages are small and are made anew for each request.

#include "app/pages.h"

#include <fmt/format.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "layby/app/version.h"
#include "layby/web/answers.h"

namespace layby::app {
namespace {

using server::Request;
using web::Who;

constexpr std::string_view kPrometheus = "text/plain; version=0.0.4; charset=utf-8";

// One line for each page that everybody may read, except the front page.
std::string page_list(const web::Routes& routes) {
  std::string lines;
  for (const web::Route& route : routes.all()) {
    if (route.who != Who::kAnyone || route.path == "/") continue;
    lines += fmt::format("{:<10} {}\n", route.path, route.summary);
  }
  return lines;
}

std::string attention(const std::vector<std::string>& notices) {
  std::string lines;
  for (const std::string& notice : notices) lines += fmt::format("  {}\n", notice);
  return lines.empty() ? "" : fmt::format("\nNeeds attention:\n\n{}", lines);
}

std::string front_page(const Request& request, const web::Routes& routes,
                       const std::vector<std::string>& notices) {
  return fmt::format(
      "layby {}: a pull-through cache of Docker Hub's official images\n\n"
      "For Docker, in /etc/docker/daemon.json:\n\n"
      "  {{\"registry-mirrors\": [\"http://{}\"]}}\n\n"
      "{}{}",
      version(), request.headers.get("Host").value_or("this-host:5000"), page_list(routes),
      attention(notices));
}

}  // namespace

void add_page_routes(web::Routes& routes, TakeSnapshot take_snapshot,
                     std::function<bool()> is_draining) {
  const auto add = [&routes](const char* path, const char* summary, auto page) {
    routes.add({"GET", path, Who::kAnyone, summary, web::at_once(std::move(page))});
  };
  add("/", "what this is, and what needs attention", [&routes, take_snapshot](const Request& r) {
    return web::text_answer(200, front_page(r, routes, take_snapshot().notices));
  });
  add("/healthz", "200 while the daemon serves, 503 in a drain",
      [is_draining = std::move(is_draining)](const Request&) {
        return is_draining() ? web::text_answer(503, "draining\n") : web::text_answer(200, "ok\n");
      });
  add("/stats", "its statistics, as JSON", [take_snapshot](const Request&) {
    return web::json_answer(200, admin::stats_json(take_snapshot()));
  });
  add("/metrics", "the same for Prometheus", [take_snapshot](const Request&) {
    return web::answer(200, kPrometheus, admin::metrics_text(take_snapshot()));
  });
}

}  // namespace layby::app
