// SPDX-License-Identifier: Apache-2.0
//
// BuildKit's own daemon: buildkitd.toml. The builder inside dockerd uses dockerd's mirrors instead.

#include <algorithm>

#include "engines/settings.h"

namespace layby::engines {
namespace {

constexpr const char* kBuildkitdToml = "/etc/buildkit/buildkitd.toml";

// A mirror is a host and perhaps a path: "box:5000/docker.io". The host's own section says how to
// speak to it.
Endpoint mirror_of(const std::string& mirror, const oci::ImageName& image, const Json& registries) {
  const std::size_t slash = std::min(mirror.find('/'), mirror.size());
  const std::string host = mirror.substr(0, slash);
  const Json& settings = at(registries, {host});
  Endpoint endpoint;
  const bool is_http = flag_of(settings, "http", is_this_machine(host));
  endpoint.api = (is_http ? "http://" : "https://") + host + "/v2" + mirror.substr(slash);
  endpoint.repository = image.repository;
  endpoint.is_mirror = true;
  endpoint.verifies = !flag_of(settings, "insecure", false);
  const auto certificates = texts_of(settings, "ca");
  if (!certificates.empty()) endpoint.ca_file = certificates.front();
  endpoint.ns = image.registry;
  return endpoint;
}

}  // namespace

Result<Route> buildkit_route(const oci::ImageName& image, const Machine& machine) {
  Route route;
  const auto config = read_toml(kBuildkitdToml, machine, route);
  if (!config.ok()) return config.error();
  const Json& registries = *config ? at(**config, {"registry"}) : at(Json(), {"registry"});
  const auto mirrors = texts_of(at(registries, {image.registry}), "mirrors");
  if (!*config) {
    route.notes.push_back(std::string(kBuildkitdToml) + " doesn't exist");
  } else if (mirrors.empty()) {
    route.notes.push_back(std::string(kBuildkitdToml) + " has no mirrors in [registry.\"" +
                          image.registry + "\"]");
  }
  for (const std::string& mirror : mirrors) {
    route.endpoints.push_back(mirror_of(mirror, image, registries));
  }
  route.endpoints.push_back(own_endpoint(image));
  return route;
}

}  // namespace layby::engines
