// SPDX-License-Identifier: Apache-2.0
//
// Reads a prefetch list by the table of its keys, like the configuration.

#include "layby/app/prefetch_list.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>

#include "app/config_keys.h"
#include "app/config_reader.h"
#include "layby/base/fd.h"
#include "layby/oci/reference.h"
#include "layby/policy/repository_filter.h"

namespace layby::app {
namespace {

std::string why_unserved(const std::string& image, const Config& config) {
  const auto name = oci::parse_image_name(image);
  if (!name) return "";  // The parser reports a wrong name.
  const auto at = std::find_if(
      config.upstreams.begin(), config.upstreams.end(), [&](const UpstreamConfig& upstream) {
        return upstream.name == name->registry ||
               (oci::is_docker_hub(upstream.name) && oci::is_docker_hub(name->registry));
      });
  if (at == config.upstreams.end()) {
    return fmt::format("belongs to {}, which is not in the configuration's \"upstreams\"",
                       name->registry);
  }
  const bool served =
      policy::allows(at->allow, name->repository) && !policy::allows(at->deny, name->repository);
  return served ? "" : "is not served; see \"allow\" and \"deny\" of " + at->name;
}

}  // namespace

PrefetchListOutcome parse_prefetch_list(std::string_view json) {
  PrefetchListOutcome outcome;
  Config none;
  const JsonValue root = read_document(json, prefetch_keys(), {none, outcome.list}, outcome.faults);
  set_lines(root, outcome.faults);
  for (std::size_t i = 0; i < outcome.list.images.size(); ++i) {
    outcome.list.images[i].line = line_of(root, fmt::format("images[{}].image", i));
  }
  return outcome;
}

PrefetchListOutcome load_prefetch_list(const std::string& path) {
  if (path.empty() || ::access(path.c_str(), F_OK) != 0) return {};
  const Result<std::string> text = read_file(path, kMaxConfigBytes);
  if (text) return parse_prefetch_list(*text);
  return {{}, {{path, text.error().message + "; let the user that runs layby read it"}}};
}

std::vector<ConfigFault> unserved(const PrefetchListConfig& list, const Config& config) {
  std::vector<ConfigFault> faults;
  for (std::size_t i = 0; i < list.images.size(); ++i) {
    const std::string complaint = why_unserved(list.images[i].image, config);
    if (complaint.empty()) continue;
    faults.push_back({fmt::format("images[{}].image", i), complaint, list.images[i].line});
  }
  return faults;
}

}  // namespace layby::app
