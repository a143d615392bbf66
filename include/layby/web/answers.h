// SPDX-License-Identifier: Apache-2.0
//
// Makes the answers of all routes outside /v2: text for people, JSON for programs, and
// {"error": "a sentence"} for a program's failed request.

#ifndef LAYBY_WEB_ANSWERS_H_
#define LAYBY_WEB_ANSWERS_H_

#include <string>
#include <string_view>

#include "layby/base/result.h"
#include "layby/server/http_server.h"

namespace layby::web {

inline constexpr std::string_view kPlainText = "text/plain; charset=utf-8";
inline constexpr std::string_view kJson = "application/json";

// Makes an answer that no cache may store.
server::Response answer(int status, std::string_view content_type, std::string body);

server::Response text_answer(int status, std::string text);

// `json` is a whole JSON text.
server::Response json_answer(int status, std::string json);

// `sentence` says what is wrong and what to do. The answer is JSON for a program at the Unix
// socket, and text for a person on the network.
server::Response error_answer(const server::Request& request, int status,
                              const std::string& sentence);

// The answer when work for a request failed: 404 for kNotFound, 409 for kDenied, otherwise 500.
server::Response failure_answer(const server::Request& request, const Error& error);

}  // namespace layby::web

#endif  // LAYBY_WEB_ANSWERS_H_
