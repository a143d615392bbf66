// SPDX-License-Identifier: Apache-2.0
//
// `layby check`: whether the container engines of this machine really get an image from a Layby.
// Works on any machine, and needs no daemon.

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/check_page.h"
#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/daemon_options.h"
#include "layby/oci/reference.h"

namespace layby::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDockerSocket = "/var/run/docker.sock";

constexpr const char* kContainerdSocket = "/run/containerd/containerd.sock";

struct CheckOptions {
  std::string image;
  std::string engine;
  std::string root;
};

std::string home() {
  const char* const home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
  return home != nullptr ? home : "";
}

// An engine without a configuration asks no mirror, and should be reported too.
bool is_here(engines::Engine engine, const engines::Machine& machine, const std::string& root) {
  if (engines::is_configured(engine, machine)) return true;
  if (engine == engines::Engine::kDocker) return fs::exists(root + kDockerSocket);
  return engine == engines::Engine::kContainerd && fs::exists(root + kContainerdSocket);
}

void ask_running_docker(engines::Route& route) {
  const Result<std::string> info = ask_daemon(kDockerSocket, "/info");
  if (!info.ok()) return;
  const Result<Json> parsed = parse_answer(*info);
  if (parsed.ok()) follow_running_docker(*parsed, route);
}

// Asks the endpoints as the engine does, up to the first endpoint that has the image.
std::vector<Probe> ask_in_turn(const engines::Route& route, const std::string& reference) {
  std::vector<Probe> probes;
  for (const engines::Endpoint& endpoint : route.endpoints) {
    probes.push_back(ask_for_image(endpoint, reference));
    if (is_answer(probes.back())) break;
  }
  return probes;
}

// Prints the page of one engine. Returns whether a Layby gives the image.
bool check_engine(engines::Engine engine, const CheckOptions& options,
                  const engines::Machine& machine) {
  Result<engines::Route> route = engines::route(engine, options.image, machine);
  if (!route.ok()) {
    complain(std::string(to_string(engine)) + ": " + route.error().message);
    return false;
  }
  if (engine == engines::Engine::kDocker && options.root.empty()) ask_running_docker(*route);
  const auto name = oci::parse_image_name(options.image);
  CheckedImage checked{engine, options.image, *std::move(route), {}};
  checked.probes = ask_in_turn(checked.route, oci::to_string(name->reference));
  std::cout << check_page(checked) << std::flush;
  return is_from_layby(checked);
}

int check_image(const CheckOptions& options) {
  const engines::Machine machine =
      engines::machine_at(options.root, options.root.empty() ? home() : "");
  if (!oci::parse_image_name(options.image)) {
    complain("\"" + options.image + "\" isn't the name of an image");
    return kMisused;
  }
  std::vector<engines::Engine> engines;
  if (const auto engine = engines::parse_engine(options.engine)) {
    engines.push_back(*engine);
  } else {
    for (const engines::Engine each : engines::kEngines) {
      if (is_here(each, machine, options.root)) engines.push_back(each);
    }
  }
  if (engines.empty()) {
    complain("no container engine has a configuration here; name one with --from");
    return kFailed;
  }
  bool all = true;
  for (std::size_t i = 0; i < engines.size(); ++i) {
    if (i > 0) std::cout << "\n";
    all = check_engine(engines[i], options, machine) && all;
  }
  return all ? kFine : kFailed;
}

}  // namespace

void add_check(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "check", "Check whether this machine's container engines get an image from a Layby");
  const auto options = std::make_shared<CheckOptions>();
  command->add_option("image", options->image, "The image, as the engine gets it: debian:12")
      ->required();
  std::vector<std::string> names;
  names.reserve(engines::kEngines.size());
  for (const engines::Engine each : engines::kEngines) names.emplace_back(to_string(each));
  command
      ->add_option("--from", options->engine,
                   "The engine; by default, each engine that has a configuration here")
      ->check(CLI::IsMember(names));
  command->add_option("--root", options->root, "Read the configurations below this folder")
      ->check(CLI::ExistingDirectory);
  command->callback([options, &exit_code] { exit_code = check_image(*options); });
}

}  // namespace layby::cli
