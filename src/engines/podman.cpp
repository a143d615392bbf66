// SPDX-License-Identifier: Apache-2.0
//
// podman, buildah and skopeo: containers-registries.conf(5), version 2. The user's file replaces
// the machine's file. A file in registries.conf.d replaces the sections with the same prefixes.

#include <fmt/format.h>

#include <map>
#include <utility>

#include "engines/settings.h"

namespace layby::engines {
namespace {

constexpr const char* kMachineFolder = "/etc/containers";

struct Files {
  std::map<std::string, Json> sections;        // The [[registry]] sections, by prefix.
  std::map<std::string, std::string> aliases;  // Short names.
  std::vector<std::string> search_registries;  // unqualified-search-registries
};

std::string prefix_of(const Json& section) {
  const std::string prefix = text_of(section, "prefix");
  return prefix.empty() ? text_of(section, "location") : prefix;
}

void add(const Json& file, Files& files) {
  const Json& registries = at(file, {"registry"});
  if (registries.is_array()) {
    for (const Json& section : registries) files.sections[prefix_of(section)] = section;
  }
  const Json& aliases = at(file, {"aliases"});
  if (aliases.is_object()) {
    for (const auto& [name, full] : aliases.items()) {
      if (full.is_string()) files.aliases[name] = full.get<std::string>();
    }
  }
  const auto search = texts_of(file, "unqualified-search-registries");
  if (!search.empty()) files.search_registries = search;
}

Result<Files> read_files(const Machine& machine, Route& route) {
  Files files;
  std::vector<std::string> folders = {kMachineFolder};
  const std::string own = machine.home + "/.config/containers";
  if (!machine.home.empty()) folders.push_back(own);
  std::vector<std::string> paths;
  const bool has_own = !machine.home.empty() && [&] {
    const auto text = machine.read(own + "/registries.conf");
    return text.ok() && text->has_value();
  }();
  paths.push_back((has_own ? own : kMachineFolder) + std::string("/registries.conf"));
  for (const std::string& folder : folders) {
    for (const std::string& name : machine.list(folder + "/registries.conf.d")) {
      if (name.ends_with(".conf")) paths.push_back(folder + "/registries.conf.d/" + name);
    }
  }
  for (const std::string& path : paths) {
    const auto file = read_toml(path, machine, route);
    if (!file.ok()) return file.error();
    if (*file) add(**file, files);
  }
  return files;
}

// Whether a section with `prefix` concerns the image `name`. "*.example.com" concerns each host
// below example.com.
bool concerns(const std::string& prefix, const std::string& name) {
  if (prefix.starts_with("*.")) {
    const std::string host = name.substr(0, name.find('/'));
    return host.ends_with(prefix.substr(1)) && prefix.find('/') == std::string::npos;
  }
  if (!name.starts_with(prefix) || prefix.empty()) return false;
  return name.size() == prefix.size() || name[prefix.size()] == '/';
}

// The server and the repository of `location` with the rest of the image's name behind it.
Endpoint endpoint_at(const std::string& location, const std::string& rest, bool is_insecure) {
  const std::string name = location + rest;
  const std::size_t slash = std::min(name.find('/'), name.size());
  Endpoint endpoint;
  endpoint.api = own_api(name.substr(0, slash));
  // Without the verification of certificates, HTTP is tried after HTTPS. Few such servers have
  // HTTPS.
  if (is_insecure) endpoint.api.replace(0, endpoint.api.find("://"), "http");
  endpoint.repository = name.substr(std::min(slash + 1, name.size()));
  endpoint.verifies = !is_insecure;
  return endpoint;
}

bool serves(const Json& mirror, bool only_digests, const oci::ImageName& image) {
  const bool is_tag = std::holds_alternative<oci::Tag>(image.reference);
  const std::string from = text_of(mirror, "pull-from-mirror");
  return is_tag ? !only_digests && from != "digest-only" : from != "tag-only";
}

void note_short_name(const Files& files, std::string_view text, Route& route) {
  const std::string name(text.substr(0, text.find_first_of(":@")));
  if (name.find('/') != std::string::npos || files.aliases.contains(name)) return;
  if (files.search_registries.empty()) {
    route.notes.push_back(fmt::format(
        "podman knows no registry for \"{}\"; set unqualified-search-registries to [\"docker.io\"] "
        "in {}/registries.conf, or write docker.io/library/{}",
        name, kMachineFolder, name));
  } else if (!oci::is_docker_hub(files.search_registries.front())) {
    route.notes.push_back(
        fmt::format("podman looks for \"{}\" in {} first; write docker.io/library/{}", name,
                    files.search_registries.front(), name));
  }
}

const std::pair<const std::string, Json>* longest(const Files& files, const std::string& name) {
  const std::pair<const std::string, Json>* best = nullptr;
  for (const auto& section : files.sections) {
    const bool fits = concerns(section.first, name);
    if (fits && (best == nullptr || section.first.size() > best->first.size())) best = &section;
  }
  return best;
}

}  // namespace

Result<Route> podman_route(const oci::ImageName& image, std::string_view text,
                           const Machine& machine) {
  Route route;
  const auto files = read_files(machine, route);
  if (!files.ok()) return files.error();
  if (oci::is_docker_hub(image.registry)) note_short_name(*files, text, route);
  const std::string name = image.registry + "/" + image.repository;
  const auto* section = longest(*files, name);
  if (section == nullptr) {
    route.notes.push_back(fmt::format("no [[registry]] section of {}/registries.conf is for {}",
                                      kMachineFolder, image.registry));
    route.endpoints.push_back(own_endpoint(image));
    return route;
  }
  const auto& [prefix, settings] = *section;
  if (flag_of(settings, "blocked", false)) {
    return Error{ErrorCode::kDenied, fmt::format("registries.conf blocks {}", prefix)};
  }
  const bool is_pattern = prefix.starts_with("*.");
  const std::string rest = is_pattern ? name.substr(name.find('/')) : name.substr(prefix.size());
  const bool only_digests = flag_of(settings, "mirror-by-digest-only", false);
  const Json& mirrors = at(settings, {"mirror"});
  if (!mirrors.is_array() || mirrors.empty()) {
    route.notes.push_back(
        fmt::format("the section \"{}\" of registries.conf has no mirror", prefix));
  }
  for (const Json& mirror : mirrors.is_array() ? mirrors : Json::array()) {
    const std::string location = text_of(mirror, "location");
    if (!serves(mirror, only_digests, image)) {
      route.notes.push_back(
          fmt::format("the mirror {} serves only {}", location,
                      only_digests ? "digests" : text_of(mirror, "pull-from-mirror")));
      continue;
    }
    Endpoint endpoint = endpoint_at(location, rest, flag_of(mirror, "insecure", false));
    endpoint.is_mirror = true;
    route.endpoints.push_back(std::move(endpoint));
  }
  std::string location = text_of(settings, "location");
  if (location.empty()) location = is_pattern ? image.registry : prefix;
  Endpoint own = endpoint_at(location, rest, flag_of(settings, "insecure", false));
  own.is_mirror = own.api != own_api(image.registry);
  route.endpoints.push_back(std::move(own));
  return route;
}

}  // namespace layby::engines
