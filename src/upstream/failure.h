// SPDX-License-Identifier: Apache-2.0
//
// Translates network failures and a registry's refusals to Errors, in one place. A message
// names the host, the request, the reason and what to do. A message never quotes a query string,
// which may be a signature, or a header, which may be a token.

#ifndef LAYBY_UPSTREAM_FAILURE_H_
#define LAYBY_UPSTREAM_FAILURE_H_

#include <string>
#include <string_view>

#include "layby/base/clock.h"
#include "layby/base/result.h"
#include "layby/http/url.h"
#include "upstream/curl_ptr.h"
#include "upstream/exchange.h"

namespace layby::upstream {

// A host and a request, for messages: "registry-1.docker.io", "GET library/debian blob
// sha256:…".
struct Subject {
  std::string host;
  std::string request;
};

// Returns "host", or "host:port" if the port isn't the scheme's default.
std::string host_label(const http::Url& url);

Error failure(const Subject& subject, ErrorCode code, std::string_view reason,
              std::string_view advice = "");

// The Error of a transfer that ended with the curl code `code`. `detail` is curl's own text.
Error curl_failure(const Subject& subject, CURLcode code, CURL* easy, std::string_view detail);

// Whether a parent answers that it can't ask its registry: a 503 with the API's header
// Docker-Distribution-Api-Version. A 503 of a proxy in front of the parent doesn't have the header.
bool is_declined(const Head& head);

// The Error of an answer whose status isn't a success. A Retry-After date counts from the answer's
// own Date, or from `now` if the answer has no Date.
Error status_failure(const Subject& subject, const Head& head, WallTime now);

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_FAILURE_H_
