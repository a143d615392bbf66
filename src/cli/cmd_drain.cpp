// SPDX-License-Identifier: Apache-2.0
//
// `layby drain` ends the daemon. Before the end, load balancers have time to send their requests
// elsewhere.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "cli/answer.h"
#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/daemon_options.h"
#include "layby/http/url.h"

namespace layby::cli {
namespace {

struct DrainOptions {
  DaemonOptions daemon;
  std::string wait;
};

int drain(const DrainOptions& options) {
  const std::optional<std::string> socket = socket_of(options.daemon);
  if (!socket) return kMisused;
  const std::string query =
      options.wait.empty() ? "" : "?for=" + http::percent_encode(options.wait);
  const Result<std::string> body = tell_daemon(*socket, "/drain" + query);
  if (!body) return fail(body.error());
  const Result<Json> answer = parse_answer(*body);
  if (!answer) return fail(answer.error());
  if (options.daemon.json) {
    print_answer(*body);
  } else {
    std::cout << fmt::format("draining: /healthz says 503, and the daemon ends in {}\n",
                             duration(number(*answer, "/seconds")));
  }
  return kFine;
}

}  // namespace

void add_drain(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "drain", "End the daemon after load balancers have sent their requests elsewhere");
  const auto options = std::make_shared<DrainOptions>();
  add_daemon_options(*command, options->daemon, "Print the daemon's answer");
  command->add_option("--for", options->wait,
                      "How long to serve with a /healthz that says 503, such as 30s (default: "
                      "drain_for of the configuration)");
  command->callback([options, &exit_code] { exit_code = drain(*options); });
}

}  // namespace layby::cli
