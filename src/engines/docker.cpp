// SPDX-License-Identifier: Apache-2.0
//
// dockerd: "registry-mirrors" of daemon.json. dockerd asks them for images of Docker Hub only.

#include "engines/settings.h"

namespace layby::engines {
namespace {

constexpr const char* kDaemonJson = "/etc/docker/daemon.json";

std::string without_end_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

Result<Route> docker_route(const oci::ImageName& image, const Machine& machine) {
  Route route;
  const auto config = read_json(kDaemonJson, machine, route);
  if (!config.ok()) return config.error();
  const auto mirrors =
      *config ? texts_of(**config, "registry-mirrors") : std::vector<std::string>();
  if (!*config) {
    route.notes.push_back(std::string(kDaemonJson) +
                          " doesn't exist; write it with registry-mirrors");
  } else if (mirrors.empty()) {
    route.notes.push_back(std::string(kDaemonJson) + " has no registry-mirrors");
  }
  if (!oci::is_docker_hub(image.registry)) {
    route.notes.push_back(
        "docker uses registry-mirrors only for images of Docker Hub, and not for " +
        image.registry);
    route.endpoints.push_back(own_endpoint(image));
    return route;
  }
  for (const std::string& mirror : mirrors) {
    if (!mirror.starts_with("http://") && !mirror.starts_with("https://")) {
      route.notes.push_back("registry-mirrors has \"" + mirror +
                            "\", which doesn't begin with http:// or https://; dockerd refuses it");
      continue;
    }
    Endpoint endpoint;
    endpoint.api = without_end_slash(mirror) + "/v2";
    endpoint.repository = image.repository;
    endpoint.is_mirror = true;
    route.endpoints.push_back(std::move(endpoint));
  }
  route.endpoints.push_back(own_endpoint(image));
  return route;
}

}  // namespace layby::engines
