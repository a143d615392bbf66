// SPDX-License-Identifier: Apache-2.0
//
// The answers of everything beside /v2, made in one place: text for people, JSON for
// programs, and {"error": "a sentence"} for a program's failed request.

#ifndef LAYBY_WEB_ANSWERS_H_
#define LAYBY_WEB_ANSWERS_H_

#include <string>
#include <string_view>

#include "layby/base/result.h"
#include "layby/server/http_server.h"

namespace layby::web {

inline constexpr std::string_view kPlainText = "text/plain; charset=utf-8";
inline constexpr std::string_view kJson = "application/json";

// An answer that no cache may keep.
server::Response answer(int status, std::string_view content_type, std::string body);

server::Response text_answer(int status, std::string text);

// `json` is a whole JSON text.
server::Response json_answer(int status, std::string json);

// `sentence` says what is wrong and what to do: as JSON for the program at the Unix socket,
// as text for a person on the network.
server::Response error_answer(const server::Request& request, int status,
                              const std::string& sentence);

// The error of work that was done for a request: 404 for kNotFound, 409 for kDenied, else 500.
server::Response failure_answer(const server::Request& request, const Error& error);

}  // namespace layby::web

#endif  // LAYBY_WEB_ANSWERS_H_
