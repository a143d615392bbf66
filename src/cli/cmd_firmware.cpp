// SPDX-License-Identifier: Apache-2.0
//
// `layby firmware`: works on the signed files that update appliances. Shows the facts of a firmware
// file, writes the file's slot to a device, or downloads the file. The caller chooses the device,
// and the slot of the next boot.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/download.h"
#include "layby/update/firmware.h"

namespace layby::cli {
namespace {

struct FirmwareOptions {
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

// Opens a firmware file that is whole, signed and meant for this machine. If the file is damaged,
// unsigned, or meant for another machine, prints the reason to stderr and returns nullopt.
std::optional<update::Firmware> open(const FirmwareOptions& options) {
  auto firmware = update::Firmware::open(options.source, options.key);
  if (!firmware) {
    complain(options.source + ": " + firmware.error().message);
    return std::nullopt;
  }
  const update::FirmwareFacts& facts = firmware->facts();
  if (!options.board.empty() && facts.board != options.board) {
    complain(options.source + ": the firmware is for " + facts.board + ", but this is " +
             options.board);
    return std::nullopt;
  }
  if (options.newer_than > 0 && facts.built <= options.newer_than) {
    complain(options.source + ": the firmware is not newer than the running system");
    return std::nullopt;
  }
  return std::move(firmware).value();
}

int show(const FirmwareOptions& options) {
  const auto firmware = open(options);
  if (!firmware) return kFailed;
  const update::FirmwareFacts& facts = firmware->facts();
  std::cout << "board=" << facts.board << "\nversion=" << facts.version << "\nbuilt=" << facts.built
            << "\n";
  return kFine;
}

int write(const FirmwareOptions& options) {
  const auto firmware = open(options);
  if (!firmware) return kFailed;
  const Status written = firmware->write_to(options.device);
  return written ? kFine : failed(options.source, written.error());
}

int fetch(const FirmwareOptions& options) {
  const Status status = download(options.source, options.to);
  return status ? kFine : failed(options.source, status.error());
}

}  // namespace

void add_firmware(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<FirmwareOptions>();
  CLI::App* command =
      app.add_subcommand("firmware", "Check, write or download the firmware of an appliance");
  command->require_subcommand(1);

  CLI::App* showing = command->add_subcommand(
      "show", "Check a firmware file and show its board, version and build time");
  CLI::App* writing =
      command->add_subcommand("write", "Check a firmware file and write it to a slot");
  for (CLI::App* each : {showing, writing}) {
    each->add_option("FILE", options->source, "The firmware file")->required();
    each->add_option("--key", options->key, "The public key that verifies the file's signature")
        ->capture_default_str();
    each->add_option("--board", options->board, "Refuse firmware for another board");
    each->add_option("--newer-than", options->newer_than,
                     "Refuse firmware that was not built after this time, in seconds since 1970");
  }
  showing->callback([options, &exit_code] { exit_code = show(*options); });

  writing->add_option("--to", options->device, "The device of the slot")->required();
  writing->callback([options, &exit_code] { exit_code = write(*options); });

  CLI::App* fetching = command->add_subcommand("fetch", "Download a firmware file");
  fetching->add_option("URL", options->source, "The file's address, http or https")->required();
  fetching->add_option("--to", options->to, "The file to write")->required();
  fetching->callback([options, &exit_code] { exit_code = fetch(*options); });
}

}  // namespace layby::cli
