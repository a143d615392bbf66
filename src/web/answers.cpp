// SPDX-License-Identifier: Apache-2.0

#include "layby/web/answers.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace layby::web {
namespace {

using Json = nlohmann::ordered_json;

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kDenied:
      return 409;
    default:
      return 500;
  }
}

}  // namespace

server::Response answer(int status, std::string_view content_type, std::string body) {
  server::Response response;
  response.status = status;
  response.headers.add("Content-Type", content_type);
  response.headers.add("Cache-Control", "no-store");
  response.body = std::make_shared<const std::string>(std::move(body));
  return response;
}

server::Response text_answer(int status, std::string text) {
  return answer(status, kPlainText, std::move(text));
}

server::Response json_answer(int status, std::string json) {
  return answer(status, kJson, std::move(json));
}

server::Response error_answer(const server::Request& request, int status,
                              const std::string& sentence) {
  if (!request.client.is_local) return text_answer(status, "layby: " + sentence + "\n");
  const Json body{{"error", sentence}};
  return json_answer(status, body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

server::Response failure_answer(const server::Request& request, const Error& error) {
  return error_answer(request, status_of(error.code), error.message);
}

}  // namespace layby::web
