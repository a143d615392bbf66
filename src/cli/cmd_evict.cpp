// SPDX-License-Identifier: Apache-2.0
//
// `layby evict`: removes the named images, or the least valuable blobs until the given size is
// free.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cassert>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/image_requests.h"
#include "layby/base/bytes.h"

namespace layby::cli {
namespace {

struct EvictOptions {
  DaemonOptions daemon;
  std::vector<std::string> images;
  std::uint64_t bytes = 0;  // 0 means: evict `images`.
};

std::string freed(const Json& answer) {
  return fmt::format("{}, {}", how_many(number(answer, "/blobs"), "blob"), bytes(answer, "/bytes"));
}

std::string evicted_line(const Json& answer) {
  return fmt::format("{} is evicted: {} freed", text(answer, "/image"), freed(answer));
}

int evict_bytes(const EvictOptions& options) {
  assert(options.bytes > 0);
  const std::optional<std::string> socket = socket_of(options.daemon);
  if (!socket) return kMisused;
  const std::string path = "/evict?bytes=" + std::to_string(options.bytes);
  const Result<std::string> body = tell_daemon(*socket, path, kRemovalPatience);
  if (!body) return fail(body.error());
  const Result<Json> answer = parse_answer(*body);
  if (!answer) return fail(answer.error());
  const bool enough = number(*answer, "/bytes") >= options.bytes;
  if (options.daemon.json) {
    print_answer(*body);
  } else {
    std::cout << freed(*answer) << " freed"
              << (enough ? "" : "; nothing more can go, since the rest is pinned or in use")
              << "\n";
  }
  return enough ? kFine : kFailed;
}

int evict(const EvictOptions& options) {
  if (options.bytes > 0) return evict_bytes(options);
  if (options.images.empty()) {
    complain("evict what? Name images, or a size with --bytes");
    return kMisused;
  }
  return request_for_each({"/evict", kRemovalPatience, evicted_line}, options.images,
                          options.daemon);
}

// The complaint about the size in --bytes; empty for a valid size.
std::string fault_of_size(const std::string& text) {
  const Result<std::uint64_t> size = parse_bytes(text);
  if (!size) return size.error().message;
  return *size > 0 ? "" : "must be more than 0";
}

}  // namespace

void add_evict(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("evict", "Remove images from the cache to free space");
  const auto options = std::make_shared<EvictOptions>();
  add_daemon_options(*command, options->daemon, kImageJsonHelp);
  CLI::Option* images = command->add_option("image", options->images, kImageHelp);
  const auto take_size = [options](const std::string& text) {
    options->bytes = *parse_bytes(text);  // fault_of_size() has accepted `text`.
  };
  command
      ->add_option_function<std::string>(
          "--bytes", take_size,
          "Free this much instead (2GiB, 500MB), the least valuable blobs first;\n"
          "exit code 1 when less can be freed")
      ->check(fault_of_size)
      ->type_name("SIZE")
      ->excludes(images);
  command->callback([options, &exit_code] { exit_code = evict(*options); });
}

}  // namespace layby::cli
