// SPDX-License-Identifier: Apache-2.0
//
// Each image's request has its own connection. Each line is flushed, because the next line may come
// only after minutes.

#include "cli/image_requests.h"

#include <fmt/format.h>

#include <iostream>

#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "layby/http/url.h"

namespace layby::cli {
namespace {

Status request_one(const ImageRequest& request, const std::string& image, const std::string& socket,
                   bool as_json) {
  const std::string path = fmt::format("{}?image={}", request.path, http::percent_encode(image));
  const Result<std::string> body = tell_daemon(socket, path, request.patience);
  if (!body) return body.error();
  const Result<Json> answer = parse_answer(*body);
  if (!answer) return answer.error();
  if (as_json) {
    print_answer(*body);
  } else {
    std::cout << request.line(*answer) << "\n";
  }
  std::cout.flush();
  return {};
}

}  // namespace

int request_for_each(const ImageRequest& request, const std::vector<std::string>& images,
                     const DaemonOptions& options) {
  const std::optional<std::string> socket = socket_of(options);
  if (!socket) return kMisused;
  int exit_code = kFine;
  for (const std::string& image : images) {
    const Status status = request_one(request, image, *socket, options.json);
    if (status) continue;
    // Without a daemon, the requests for all other images would fail too.
    if (status.error().code == ErrorCode::kUnavailable) return fail(status.error());
    exit_code = fail(status.error(), image);
  }
  return exit_code;
}

}  // namespace layby::cli
