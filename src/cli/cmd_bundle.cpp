// SPDX-License-Identifier: Apache-2.0
//
// `layby bundle`: the signed bundles that appliances are updated from. Shows the facts of
// a bundle, or writes the bundle to a slot. The caller chooses the slot and the next boot.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/download.h"
#include "layby/update/bundle.h"

namespace layby::cli {
namespace {

struct BundleOptions {
  std::string source;
  std::string key = "/etc/layby-update.pub";
  std::string device;
  std::string board;
  std::uint64_t newer_than = 0;
  std::string to;
};

int failed(const std::string& subject, const Error& error) {
  complain(subject + ": " + error.message);
  return kFailed;
}

// The bundle, if it is whole, signed and meant for this machine; else nullopt, with the
// reason on stderr.
std::optional<update::Bundle> open(const BundleOptions& options) {
  auto bundle = update::Bundle::open(options.source, options.key);
  if (!bundle) {
    complain(options.source + ": " + bundle.error().message);
    return std::nullopt;
  }
  const update::BundleFacts& facts = bundle->facts();
  if (!options.board.empty() && facts.board != options.board) {
    complain(options.source + ": the bundle is for " + facts.board + ", but this is " +
             options.board);
    return std::nullopt;
  }
  if (options.newer_than > 0 && facts.built <= options.newer_than) {
    complain(options.source + ": the bundle is not newer than the running system");
    return std::nullopt;
  }
  return std::move(bundle).value();
}

int show(const BundleOptions& options) {
  const auto bundle = open(options);
  if (!bundle) return kFailed;
  const update::BundleFacts& facts = bundle->facts();
  std::cout << "board=" << facts.board << "\nversion=" << facts.version << "\nbuilt=" << facts.built
            << "\n";
  return kFine;
}

int write(const BundleOptions& options) {
  const auto bundle = open(options);
  if (!bundle) return kFailed;
  const Status written = bundle->write_to(options.device);
  return written ? kFine : failed(options.source, written.error());
}

int fetch(const BundleOptions& options) {
  const Status status = download(options.source, options.to);
  return status ? kFine : failed(options.source, status.error());
}

}  // namespace

void add_bundle(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<BundleOptions>();
  CLI::App* command =
      app.add_subcommand("bundle", "Check, write or download an update of an appliance");
  command->require_subcommand(1);

  CLI::App* showing =
      command->add_subcommand("show", "Check a bundle and show its board, version and build time");
  CLI::App* writing = command->add_subcommand("write", "Check a bundle and write it to a slot");
  for (CLI::App* each : {showing, writing}) {
    each->add_option("FILE", options->source, "The bundle")->required();
    each->add_option("--key", options->key, "The public key that verifies the bundle's signature")
        ->capture_default_str();
    each->add_option("--board", options->board, "Refuse a bundle for another board");
    each->add_option("--newer-than", options->newer_than,
                     "Refuse a bundle that was not built after this time, in seconds since 1970");
  }
  showing->callback([options, &exit_code] { exit_code = show(*options); });

  writing->add_option("--to", options->device, "The device of the slot")->required();
  writing->callback([options, &exit_code] { exit_code = write(*options); });

  CLI::App* fetching = command->add_subcommand("fetch", "Download a bundle");
  fetching->add_option("URL", options->source, "The bundle's address, http or https")->required();
  fetching->add_option("--to", options->to, "The file to write")->required();
  fetching->callback([options, &exit_code] { exit_code = fetch(*options); });
}

}  // namespace layby::cli
