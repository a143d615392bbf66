// SPDX-License-Identifier: Apache-2.0
//
// containerd: config.toml names folders that have a folder for each registry, with a hosts.toml.
// The CRI plugin, and so kubelet and crictl, needs config_path; nerdctl reads
// /etc/containerd/certs.d in any case.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engines/settings.h"

namespace layby::engines {
namespace {

constexpr const char* kConfigToml = "/etc/containerd/config.toml";
constexpr const char* kUsualFolder = "/etc/containerd/certs.d";

// Where versions 2 and 3 of config.toml have the registries.
const std::vector<std::vector<std::string>> kRegistryPaths = {
    {"plugins", "io.containerd.grpc.v1.cri", "registry"},
    {"plugins", "io.containerd.cri.v1.images", "registry"}};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// The names of a registry's folder, in the order in which containerd looks for them: the folder of
// "box:5000" is "box_5000_" or "box:5000".
std::vector<std::string> folders_of(const std::string& registry) {
  std::vector<std::string> folders;
  const std::size_t colon = registry.rfind(':');
  if (colon != std::string::npos) {
    folders.push_back(registry.substr(0, colon) + "_" + registry.substr(colon + 1) + "_");
  }
  folders.push_back(registry);
  folders.emplace_back("_default");
  return folders;
}

std::string with_scheme(const std::string& host) {
  if (host.find("://") != std::string::npos) return host;
  return (is_this_machine(host) ? "http://" : "https://") + host;
}

std::string api_of(const std::string& host, bool overrides_path) {
  std::string api = with_scheme(host);
  while (api.ends_with('/')) api.pop_back();
  return overrides_path ? api : api + "/v2";
}

class Reader {
 public:
  Reader(const oci::ImageName& image, const Machine& machine) : image_(image), machine_(machine) {}

  Result<Route> read() {
    const auto config = read_toml(kConfigToml, machine_, route_);
    if (!config.ok()) return config.error();
    std::string folders;
    if (*config) {
      for (const auto& path : kRegistryPaths) {
        const Json& registry = at(**config, path);
        if (folders.empty()) folders = text_of(registry, "config_path");
        add_old_mirrors(registry);
      }
    }
    if (folders.empty()) {
      folders = kUsualFolder;
      route_.notes.push_back(fmt::format(
          "{} sets no config_path, so kubelet and crictl may find no hosts.toml; set config_path = "
          "\"{}\" in the registry section of the CRI plugin",
          kConfigToml, kUsualFolder));
    }
    auto found = read_hosts(folders);
    if (!found.ok()) return found.error();
    if (!*found) {
      route_.notes.push_back(fmt::format("there is no {}/{}/hosts.toml",
                                         split(folders, ':').front(), image_.registry));
      route_.endpoints.push_back(own_endpoint(image_));
    }
    return std::move(route_);
  }

 private:
  // registry.mirrors was the way before config_path. containerd 2 doesn't know it.
  void add_old_mirrors(const Json& registry) {
    const Json& mirrors = at(registry, {"mirrors"});
    if (!mirrors.is_object()) return;
    if (!text_of(registry, "config_path").empty()) {
      route_.notes.push_back(fmt::format(
          "{} has both registry.mirrors and config_path; the CRI plugin then doesn't start; remove "
          "registry.mirrors",
          kConfigToml));
      return;
    }
    const Json& own = at(mirrors, {image_.registry});
    for (const std::string& host :
         texts_of(own.is_object() ? own : at(mirrors, {"*"}), "endpoint")) {
      route_.endpoints.push_back(mirror(host, api_of(host, false)));
    }
  }
  Endpoint mirror(const std::string& host, std::string api) const {
    Endpoint endpoint;
    endpoint.api = std::move(api);
    endpoint.repository = image_.repository;
    endpoint.is_mirror = with_scheme(host) + "/v2" != own_api(image_.registry);
    if (endpoint.is_mirror) endpoint.ns = image_.registry;
    return endpoint;
  }

  // Whether a hosts.toml exists for the image's registry.
  Result<bool> read_hosts(const std::string& folders) {
    for (const std::string& folder : split(folders, ':')) {
      for (const std::string& name : folders_of(image_.registry)) {
        const std::string path = fmt::format("{}/{}/hosts.toml", folder, name);
        const auto hosts = read_toml(path, machine_, route_);
        if (!hosts.ok()) return hosts.error();
        if (!*hosts) continue;
        add_hosts(**hosts, path);
        return true;
      }
    }
    return false;
  }
  void add_hosts(const Json& hosts, const std::string& path) {
    const Json& table = at(hosts, {"host"});
    if (table.is_object()) {
      for (const auto& [host, settings] : table.items()) add_host(host, settings, path);
    }
    const std::string server = text_of(hosts, "server");
    Endpoint last = own_endpoint(image_);
    if (!server.empty()) last.api = api_of(server, flag_of(hosts, "override_path", false));
    if (server.empty() || last.api == own_api("docker.io")) last.api = own_api(image_.registry);
    route_.endpoints.push_back(std::move(last));
  }
  void add_host(const std::string& host, const Json& settings, const std::string& path) {
    const Json& named = at(settings, {"capabilities"});
    const auto capabilities = texts_of(settings, "capabilities");
    const auto has = [&](const char* name) {
      return !named.is_array() ||
             std::find(capabilities.begin(), capabilities.end(), name) != capabilities.end();
    };
    if (!has("pull")) {
      route_.notes.push_back(fmt::format("{}: {} lacks the capability \"pull\"", path, host));
      return;
    }
    if (!has("resolve") && std::holds_alternative<oci::Tag>(image_.reference)) {
      route_.notes.push_back(fmt::format(
          "{}: {} lacks the capability \"resolve\", so tags are asked for elsewhere", path, host));
      return;
    }
    Endpoint endpoint = mirror(host, api_of(host, flag_of(settings, "override_path", false)));
    endpoint.verifies = !flag_of(settings, "skip_verify", false);
    endpoint.ca_file = text_of(settings, "ca");
    route_.endpoints.push_back(std::move(endpoint));
  }

  const oci::ImageName& image_;
  const Machine& machine_;
  Route route_;
};

}  // namespace

Result<Route> containerd_route(const oci::ImageName& image, const Machine& machine) {
  return Reader(image, machine).read();
}

}  // namespace layby::engines
