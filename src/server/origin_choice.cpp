// SPDX-License-Identifier: Apache-2.0
//
// A registry that the client names in the query or in the path must be an upstream;
// otherwise the content of one registry would be served under another registry's name. The Host
// field counts only when it is the name of an upstream, because it is mostly the name of this
// machine.

#include "server/origin_choice.h"

#include <algorithm>
#include <cassert>
#include <string_view>
#include <utility>

#include "layby/http/url.h"
#include "layby/oci/reference.h"
#include "server/registry_answers.h"

namespace layby::server {
namespace {

using oci::ApiErrorCode;

Response unknown(std::string_view registry) {
  return error_answer(ApiErrorCode::kNameUnknown,
                      "no upstream is called \"" + std::string(registry) +
                          "\"; add it to \"upstreams\" in layby's configuration");
}

Response invalid_name() {
  return error_answer(ApiErrorCode::kNameInvalid, "invalid repository name");
}

Response denied(const cache::Origin& origin, const std::string& repository) {
  return error_answer(ApiErrorCode::kDenied, "this mirror does not serve " + repository + " of " +
                                                 origin.name + "; to allow it, add \"" +
                                                 repository + "\" to \"allow\" of the upstream \"" +
                                                 origin.name + "\" in layby's configuration");
}

// The upstream whose name is in the Host field, with the port or without; null for none.
// Host names compare without case, and a dot may end them (RFC 9110 section 4.2.3, RFC 3986
// section 3.2.2). The names of upstreams are in lower case.
const cache::Origin* origin_of_host(const cache::Cache& cache, std::string_view field) {
  std::string host_port(field);
  std::transform(host_port.begin(), host_port.end(), host_port.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  std::size_t colon = std::min(host_port.rfind(':'), host_port.size());
  if (colon > 0 && host_port[colon - 1] == '.') host_port.erase(--colon, 1);
  if (colon == 0) return nullptr;  // find_origin("") would return the first upstream.
  const cache::Origin* with_port = cache.find_origin(host_port);
  return with_port != nullptr ? with_port
                              : cache.find_origin(std::string_view(host_port).substr(0, colon));
}

std::variant<Target, Response> target_of(const cache::Origin& origin, std::string_view name,
                                         std::string_view registry) {
  std::string repository =
      oci::is_docker_hub(origin.name) ? oci::with_library(name) : std::string(name);
  // The added "library/" may make the name too long.
  if (!oci::is_repository(repository)) return invalid_name();
  if (!origin.serves(repository)) return denied(origin, repository);
  return Target{&origin, std::move(repository), std::string(registry)};
}

}  // namespace

std::variant<Target, Response> choose_origin(const cache::Cache& cache, const Request& request,
                                             const std::string& name) {
  assert(oci::is_qualified_repository(name));
  const std::string ns = http::query_value(request.query, "ns").value_or("");
  if (!ns.empty()) {
    // With `ns` the whole path is a repository name, which can't contain a port.
    if (!oci::is_repository(name)) return invalid_name();
    const cache::Origin* origin = cache.find_origin(ns);
    return origin != nullptr ? target_of(*origin, name, "") : unknown(ns);
  }
  const auto [registry, repository] = oci::split_registry(name);
  if (!registry.empty()) {
    const cache::Origin* origin = cache.find_origin(registry);
    return origin != nullptr ? target_of(*origin, repository, registry) : unknown(registry);
  }
  const cache::Origin* origin = origin_of_host(cache, request.headers.get("Host").value_or(""));
  return target_of(origin != nullptr ? *origin : *cache.find_origin(""), name, "");
}

}  // namespace layby::server
