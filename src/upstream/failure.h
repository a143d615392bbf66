// SPDX-License-Identifier: Apache-2.0
//
// Failures of the network and refusals of a registry as Errors, translated once. A
// message says host, request, reason and what to do; never a query string, which may be
// a signature, nor a header, which may be a token.

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

// Who was asked, and for what: "registry-1.docker.io", "GET library/debian blob sha256:…".
struct Subject {
  std::string host;
  std::string request;
};

// "host", or "host:port" where the port isn't the scheme's own.
std::string host_label(const http::Url& url);

Error failure(const Subject& subject, ErrorCode code, std::string_view reason,
              std::string_view advice = "");

// What curl says of a transfer that broke.
Error curl_failure(const Subject& subject, CURLcode code, CURL* easy, std::string_view detail);

// A status that isn't a success.
Error status_failure(const Subject& subject, const Head& head, WallTime now);

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_FAILURE_H_
