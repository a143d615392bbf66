// SPDX-License-Identifier: Apache-2.0

#include "layby/engines/engines.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "engines/settings.h"

namespace layby::engines {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, kEngines.size()> kNames = {"docker", "containerd", "podman",
                                                                  "buildkit"};

Result<std::optional<std::string>> read_file(const std::string& path) {
  std::error_code failed;
  if (!fs::exists(path, failed)) return std::optional<std::string>();
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() && !file.eof()) return errno_error("read " + path, errno);
  return std::optional(std::move(text));
}

std::vector<std::string> list_folder(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    names.push_back(entry->path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string_view to_string(Engine engine) { return kNames.at(static_cast<std::size_t>(engine)); }

std::optional<Engine> parse_engine(std::string_view name) {
  const auto* const at = std::find(kNames.begin(), kNames.end(), name);
  if (at == kNames.end()) return std::nullopt;
  return kEngines.at(static_cast<std::size_t>(at - kNames.begin()));
}

Machine machine_at(std::string root, std::string home) {
  Machine machine;
  machine.read = [root](const std::string& path) { return read_file(root + path); };
  machine.list = [root = std::move(root)](const std::string& path) {
    return list_folder(root + path);
  };
  machine.home = std::move(home);
  return machine;
}

Result<Route> route(Engine engine, std::string_view image, const Machine& machine) {
  const auto name = oci::parse_image_name(image);
  if (!name) {
    return Error{ErrorCode::kInvalid, "\"" + std::string(image) + "\" isn't the name of an image"};
  }
  switch (engine) {
    case Engine::kDocker:
      return docker_route(*name, machine);
    case Engine::kContainerd:
      return containerd_route(*name, machine);
    case Engine::kPodman:
      return podman_route(*name, image, machine);
    case Engine::kBuildkit:
      return buildkit_route(*name, machine);
  }
  return Error{ErrorCode::kInvalid, "no such engine"};
}

bool is_configured(Engine engine, const Machine& machine) {
  const auto route = engines::route(engine, "debian", machine);
  return !route.ok() || !route->files.empty();
}

bool is_this_machine(std::string_view host) {
  return host.starts_with("localhost") || host.starts_with("127.");
}

std::string own_api(std::string_view registry) {
  const std::string host =
      oci::is_docker_hub(registry) ? "registry-1.docker.io" : std::string(registry);
  return (is_this_machine(registry) ? "http://" : "https://") + host + "/v2";
}

Endpoint own_endpoint(const oci::ImageName& image) {
  return {own_api(image.registry), image.repository, false, true, "", ""};
}

namespace {

// Reads a file by `parse`.
template <typename Parse>
Result<std::optional<Json>> read_object(const std::string& path, const Machine& machine,
                                        Route& route, const Parse& parse) {
  const auto text = machine.read(path);
  if (!text.ok()) return text.error();
  if (!*text) return std::optional<Json>();
  route.files.push_back(path);
  Result<Json> object = parse(**text);
  if (!object.ok()) return object.error();
  return std::optional(*std::move(object));
}

}  // namespace

Result<std::optional<Json>> read_toml(const std::string& path, const Machine& machine,
                                      Route& route) {
  return read_object(path, machine, route,
                     [&path](const std::string& text) { return parse_toml(text, path); });
}

Result<std::optional<Json>> read_json(const std::string& path, const Machine& machine,
                                      Route& route) {
  return read_object(path, machine, route, [&path](const std::string& text) -> Result<Json> {
    Json object = Json::parse(text, nullptr, false);
    if (object.is_object()) return object;
    return Error{ErrorCode::kInvalid, path + " isn't a JSON object"};
  });
}

const Json& at(const Json& object, const std::vector<std::string>& path) {
  static const Json kNothing;
  const Json* member = &object;
  for (const std::string& name : path) {
    const auto next = member->is_object() ? member->find(name) : member->end();
    if (next == member->end()) return kNothing;
    member = &*next;
  }
  return *member;
}

std::string text_of(const Json& object, const std::string& name) {
  const Json& member = at(object, {name});
  return member.is_string() ? member.get<std::string>() : "";
}

std::vector<std::string> texts_of(const Json& object, const std::string& name) {
  std::vector<std::string> texts;
  const Json& member = at(object, {name});
  if (!member.is_array()) return texts;
  for (const Json& text : member) {
    if (text.is_string()) texts.push_back(text.get<std::string>());
  }
  return texts;
}

bool flag_of(const Json& object, const std::string& name, bool otherwise) {
  const Json& member = at(object, {name});
  return member.is_boolean() ? member.get<bool>() : otherwise;
}

}  // namespace layby::engines
