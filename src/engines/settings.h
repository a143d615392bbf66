// SPDX-License-Identifier: Apache-2.0
//
// What the readers of the engines' files share.

#ifndef LAYBY_SRC_ENGINES_SETTINGS_H_
#define LAYBY_SRC_ENGINES_SETTINGS_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engines/toml.h"
#include "layby/engines/engines.h"
#include "layby/oci/reference.h"

namespace layby::engines {

Result<Route> docker_route(const oci::ImageName& image, const Machine& machine);
Result<Route> containerd_route(const oci::ImageName& image, const Machine& machine);
// `text` is the image's name as the user gave it, because podman asks other registries for a name
// without a registry.
Result<Route> podman_route(const oci::ImageName& image, std::string_view text,
                           const Machine& machine);
Result<Route> buildkit_route(const oci::ImageName& image, const Machine& machine);

// Whether engines speak HTTP to `host` by default, because the host is this machine.
bool is_this_machine(std::string_view host);

// The address of the API of an image's own registry: "https://registry-1.docker.io/v2".
std::string own_api(std::string_view registry);

// The last endpoint of each route.
Endpoint own_endpoint(const oci::ImageName& image);

// Reads a file into an object, and notes the file in `route`. nullopt if the file doesn't exist.
Result<std::optional<Json>> read_toml(const std::string& path, const Machine& machine,
                                      Route& route);
Result<std::optional<Json>> read_json(const std::string& path, const Machine& machine,
                                      Route& route);

// The member at a path of names; null if the member is missing.
const Json& at(const Json& object, const std::vector<std::string>& path);
// The text, texts or flag of a member. A member of another type counts as missing.
std::string text_of(const Json& object, const std::string& name);
std::vector<std::string> texts_of(const Json& object, const std::string& name);
bool flag_of(const Json& object, const std::string& name, bool otherwise);

}  // namespace layby::engines

#endif  // LAYBY_SRC_ENGINES_SETTINGS_H_
