// SPDX-License-Identifier: Apache-2.0

#include "cli/check_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace layby::cli {
namespace {

constexpr std::string_view kDockerHubApi = "https://registry-1.docker.io/v2";

// "http://box:5000" of "http://box:5000/v2".
std::string server_of(const engines::Endpoint& endpoint) {
  const std::size_t host = endpoint.api.find("://") + 3;
  return endpoint.api.substr(0, endpoint.api.find('/', host));
}

std::string words_of(const Probe& probe) {
  if (probe.status == 0) return "doesn't answer: " + probe.error;
  const std::string kind = probe.is_layby ? "a Layby; " : "";
  if (probe.status == 200) return kind + "has the image";
  if (probe.status == 401) return kind + "answers, and wants a token";
  const std::string reason = probe.error.empty() ? "" : ": " + probe.error;
  return fmt::format("{}answers {}{}", kind, probe.status, reason);
}

std::string files_of(const engines::Route& route) {
  return route.files.empty() ? "no configuration" : fmt::format("{}", fmt::join(route.files, ", "));
}

// Why no Layby gave the image.
std::string reason_of(const CheckedImage& checked) {
  const auto& endpoints = checked.route.endpoints;
  const bool has_mirror = std::any_of(endpoints.begin(), endpoints.end(),
                                      [](const engines::Endpoint& each) { return each.is_mirror; });
  if (!has_mirror) {
    return checked.route.notes.empty() ? "no mirror is configured" : checked.route.notes.front();
  }
  if (checked.probes.empty()) return "no server was asked";
  return fmt::format("{} {}", server_of(endpoints.front()), words_of(checked.probes.front()));
}

std::string verdict_of(const CheckedImage& checked) {
  const std::string_view engine = to_string(checked.engine);
  if (is_from_layby(checked)) {
    return fmt::format("{} gets {} from the Layby at {}.", engine, checked.image,
                       server_of(checked.route.endpoints[checked.probes.size() - 1]));
  }
  return fmt::format("{} doesn't get {} from a Layby: {}.", engine, checked.image,
                     reason_of(checked));
}

}  // namespace

bool is_answer(const Probe& probe) { return probe.status == 200 || probe.status == 401; }

bool is_from_layby(const CheckedImage& checked) {
  return !checked.probes.empty() && checked.probes.back().status == 200 &&
         checked.probes.back().is_layby;
}

std::string check_page(const CheckedImage& checked) {
  std::string page =
      fmt::format("{}, by {}:\n", to_string(checked.engine), files_of(checked.route));
  for (std::size_t i = 0; i < checked.route.endpoints.size(); ++i) {
    const bool is_asked = i < checked.probes.size();
    page += fmt::format("  {}. {} {}\n", i + 1, server_of(checked.route.endpoints[i]),
                        is_asked ? words_of(checked.probes[i]) : "isn't asked");
  }
  for (const std::string& note : checked.route.notes) page += fmt::format("  Note: {}.\n", note);
  return page + verdict_of(checked) + "\n";
}

void follow_running_docker(const Json& info, engines::Route& route) {
  const engines::Endpoint own = route.endpoints.back();
  if (own.api != kDockerHubApi) return;  // Mirrors are for images of Docker Hub.
  std::vector<engines::Endpoint> in_use;
  for (const Json& mirror : list(info, "/RegistryConfig/Mirrors")) {
    if (!mirror.is_string()) continue;
    engines::Endpoint endpoint = own;
    endpoint.api = mirror.get<std::string>();
    while (endpoint.api.ends_with('/')) endpoint.api.pop_back();
    endpoint.api += "/v2";
    endpoint.is_mirror = true;
    in_use.push_back(std::move(endpoint));
  }
  for (const engines::Endpoint& endpoint : route.endpoints) {
    const bool is_used = std::any_of(in_use.begin(), in_use.end(),
                                     [&](const auto& used) { return used.api == endpoint.api; });
    if (!endpoint.is_mirror || is_used) continue;
    route.notes.insert(route.notes.begin(),
                       fmt::format("the running dockerd doesn't use {} yet; `systemctl reload "
                                   "docker` applies daemon.json, and stops no container",
                                   server_of(endpoint)));
  }
  in_use.push_back(own);
  route.endpoints = std::move(in_use);
}

}  // namespace layby::cli
