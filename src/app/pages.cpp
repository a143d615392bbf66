// SPDX-License-Identifier: Apache-2.0
//
// The pages are small and are made anew for each request.

#include "app/pages.h"

#include <string>
#include <utility>

#include "layby/app/version.h"
#include "layby/oci/error_body.h"

namespace layby::app {
namespace {

constexpr std::string_view kPlain = "text/plain; charset=utf-8";

server::Response text(int status, std::string_view type, std::string body) {
  server::Response response;
  response.status = status;
  response.headers.add("Content-Type", type);
  response.headers.add("Cache-Control", "no-store");
  response.body = std::make_shared<const std::string>(std::move(body));
  return response;
}

std::string front_page(const server::Request& request, const std::vector<std::string>& notices) {
  const std::string host(request.headers.get("Host").value_or("this-host:5000"));
  std::string to_be_seen_to;
  for (const std::string& line : notices) {
    to_be_seen_to += (to_be_seen_to.empty() ? "\nNeeds attention:\n\n  " : "  ") + line + "\n";
  }
  return std::string("layby ") + version() +
         ": a pull-through cache of Docker Hub's official images\n\n"
         "For Docker, in /etc/docker/daemon.json:\n\n"
         "  {\"registry-mirrors\": [\"http://" +
         host +
         "\"]}\n\n"
         "/healthz   200 while the daemon serves\n"
         "/stats     its statistics, as JSON\n"
         "/metrics   the same for Prometheus\n" +
         to_be_seen_to;
}

bool is_api(std::string_view path) { return path == "/v2" || path.starts_with("/v2/"); }

}  // namespace

Handle Pages::handle(const server::Request& request, Respond respond) {
  if (is_api(request.path)) return api_.handle(request, std::move(respond));
  if (Control::takes(request)) return control_.handle(request, std::move(respond));
  respond(page(request));
  return nullptr;
}

server::Response Pages::page(const server::Request& request) const {
  if (request.method != "GET" && request.method != "HEAD") {
    server::Response response = text(405, kPlain, "layby: these pages are read-only\n");
    response.headers.add("Allow", "GET, HEAD");
    return response;
  }
  if (request.path == "/healthz") return text(200, kPlain, "ok\n");
  if (request.path == "/") {
    return text(200, kPlain, front_page(request, take_snapshot_().notices));
  }
  if (request.path == "/stats") {
    return text(200, "application/json", admin::stats_json(take_snapshot_()));
  }
  if (request.path == "/metrics") {
    return text(200, "text/plain; version=0.0.4; charset=utf-8",
                admin::metrics_text(take_snapshot_()));
  }
  return text(404, kPlain, "layby: there is no such page; see /\n");
}

}  // namespace layby::app
