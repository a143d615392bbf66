// SPDX-License-Identifier: Apache-2.0
//
// Which servers a container engine asks for an image, according to the engine's configuration
// files on this machine. The functions read files and make no request.
//
// The formats are those of dockerd's daemon.json, of containerd's config.toml and hosts.toml
// (containerd docs/hosts.md), of containers-registries.conf(5), and of buildkitd.toml.

#ifndef LAYBY_ENGINES_ENGINES_H_
#define LAYBY_ENGINES_ENGINES_H_

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/result.h"

namespace layby::engines {

enum class Engine { kDocker, kContainerd, kPodman, kBuildkit };

inline constexpr std::array kEngines = {Engine::kDocker, Engine::kContainerd, Engine::kPodman,
                                        Engine::kBuildkit};

// "docker", "containerd", "podman", "buildkit".
std::string_view to_string(Engine engine);
std::optional<Engine> parse_engine(std::string_view name);

// The files of a machine. `read` returns nullopt if the file doesn't exist. `list` returns the
// sorted names in a folder; no names if the folder doesn't exist. `home` is the user's home folder,
// empty if unknown.
struct Machine {
  std::function<Result<std::optional<std::string>>(const std::string& path)> read;
  std::function<std::vector<std::string>(const std::string& folder)> list;
  std::string home;
};

// The files below `root`, which is empty for this machine.
Machine machine_at(std::string root, std::string home);

// A server that is asked for an image.
struct Endpoint {
  std::string api;         // The address of the API: "http://box:5000/v2".
  std::string repository;  // The repository there: "library/debian".
  bool is_mirror = false;  // Not the image's own registry.
  bool verifies = true;    // HTTPS certificates are verified.
  std::string ca_file;     // Certificates to trust, in addition to the machine's; or empty.
  std::string ns;          // The value of containerd's parameter "ns"; or empty.
  bool operator==(const Endpoint&) const = default;
};

// What an engine does with an image's name.
struct Route {
  // The servers in the order in which the engine asks them. The first server that has the image
  // answers.
  std::vector<Endpoint> endpoints;
  // The files that were read.
  std::vector<std::string> files;
  // Sentences about settings that keep a mirror from being used, and what to change.
  std::vector<std::string> notes;
};

// Finds the servers for `image`, a name as users give it: "debian:12", "ghcr.io/acme/tool". The
// tag or the digest doesn't matter, except where a mirror serves only one of the two.
// kInvalid: `image` isn't the name of an image, or a file isn't valid, so that the engine itself
// doesn't start. kIo: a file can't be read.
Result<Route> route(Engine engine, std::string_view image, const Machine& machine);

// Whether the machine has a configuration of `engine`.
bool is_configured(Engine engine, const Machine& machine);

}  // namespace layby::engines

#endif  // LAYBY_ENGINES_ENGINES_H_
