// SPDX-License-Identifier: Apache-2.0
//
// Tables that map each curl code and each HTTP status to an ErrorCode and to the sentence
// for the operator.

#include "upstream/failure.h"

#include <cassert>
#include <system_error>

#include "layby/base/log.h"
#include "layby/http/date.h"

namespace layby::upstream {
namespace {

constexpr std::string_view kCheckLink = "check the link or upstreams[].url";
constexpr std::string_view kCheckTls =
    "check upstreams[].url, upstreams[].ca_file and this machine's clock";
constexpr std::string_view kCheckProxy = "check upstreams[].proxy and HTTPS_PROXY";
constexpr std::string_view kCheckAccount =
    "check the name, and upstreams[].username and password_file";

std::string connect_reason(CURL* easy) {
  long number = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
  if (number == 0) return "no connection";
  return std::generic_category().message(static_cast<int>(number));
}

// Returns "the proxy answered 403" when a proxy refused a CONNECT; otherwise "".
std::string proxy_reason(CURL* easy) {
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
  if (status == 0 || status / 100 == 2) return "";
  return "the proxy answered " + std::to_string(status);
}

// The time at which the answer was sent, by the clock of its server. The server wrote a Retry-After
// date by the same clock.
WallTime sent_at(const Head& head, WallTime now) {
  const auto date = head.headers.get("date");
  return date ? http::parse_date(*date).value_or(now) : now;
}

}  // namespace

bool is_declined(const Head& head) {
  return head.status == 503 && head.headers.count("docker-distribution-api-version") > 0;
}

std::string host_label(const http::Url& url) {
  const std::string origin = url.origin();
  const auto scheme_end = origin.find("://");
  assert(scheme_end != std::string::npos);
  return origin.substr(scheme_end + 3);
}

Error failure(const Subject& subject, ErrorCode code, std::string_view reason,
              std::string_view advice) {
  std::string message = subject.host + ": " + subject.request + ": ";
  message += reason;
  if (!advice.empty()) message.append("; ").append(advice);
  return Error{code, std::move(message)};
}

Error curl_failure(const Subject& subject, CURLcode code, CURL* easy, std::string_view detail) {
  assert(code != CURLE_OK);
  if (const std::string reason = proxy_reason(easy); !reason.empty()) {
    return failure(subject, ErrorCode::kUnavailable, reason, kCheckProxy);
  }
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return failure(subject, ErrorCode::kUnavailable, "the host name has no address",
                     "check the link, the DNS or upstreams[].url");
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
      return failure(subject, ErrorCode::kUnavailable, "the proxy can't be reached", kCheckProxy);
    case CURLE_COULDNT_CONNECT:
      return failure(subject, ErrorCode::kUnavailable, connect_reason(easy), kCheckLink);
    case CURLE_OPERATION_TIMEDOUT:
      return failure(subject, ErrorCode::kTimedOut, "no connection in time", kCheckLink);
    case CURLE_PARTIAL_FILE:
      return failure(subject, ErrorCode::kUnavailable, "the answer was cut off", kCheckLink);
    case CURLE_GOT_NOTHING:
      return failure(subject, ErrorCode::kUnavailable, "closed without an answer", kCheckLink);
    case CURLE_RECV_ERROR:
      // Only curl's text distinguishes a fault of the server from a fault of the connection.
      if (detail.find("in chunked-encoding") != std::string_view::npos) {
        return failure(subject, ErrorCode::kCorrupt, "the chunks of the answer can't be read");
      }
      [[fallthrough]];
    case CURLE_SEND_ERROR:
      return failure(subject, ErrorCode::kUnavailable, "the connection broke", kCheckLink);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
      return failure(subject, ErrorCode::kUnavailable, "TLS failed: " + log::printable(detail),
                     kCheckTls);
    case CURLE_TOO_MANY_REDIRECTS:
      return failure(subject, ErrorCode::kInvalid, "redirected too often");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_LOGIN_DENIED:
    case CURLE_URL_MALFORMAT:
      return failure(subject, ErrorCode::kInvalid, "redirected to a URL that isn't followed");
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return failure(subject, ErrorCode::kCorrupt, "the answer can't be read",
                     "is upstreams[].url a registry?");
    default:
      return failure(subject, ErrorCode::kUnavailable, curl_easy_strerror(code), kCheckLink);
  }
}

Error status_failure(const Subject& subject, const Head& head, WallTime now) {
  assert(head.status != 200);
  const std::string reason = "answered " + std::to_string(head.status);
  const auto error = [&](ErrorCode code, std::string_view advice = "") {
    Error made = failure(subject, code, reason, advice);
    if (head.from_another_origin) made.extent = Extent::kContent;
    return made;
  };
  if (head.status == 429) {
    Error throttled = error(ErrorCode::kThrottled, "wait, or use an account with a higher limit");
    const auto wait = head.headers.get("retry-after");
    if (wait) throttled.retry_after = http::parse_retry_after(*wait, sent_at(head, now));
    return throttled;
  }
  if (head.status == 508) {
    return error(
        ErrorCode::kUnavailable,
        "Laybys ask each other in a loop: change upstreams[].parent (or upstreams[].url) of "
        "this box, or upstreams[].parent of that box");
  }
  const bool refused = head.status == 401 || head.status == 403;
  // A refusal by the target of a signed URL means that the signature has expired. A new
  // request to the registry gets a new signature.
  if (refused && head.from_another_origin) return error(ErrorCode::kUnavailable, "try again");
  if (refused) return error(ErrorCode::kDenied, kCheckAccount);
  if (head.status == 404) return error(ErrorCode::kNotFound);
  if (head.status == 408) return error(ErrorCode::kTimedOut);
  if (head.status >= 500) return error(ErrorCode::kUnavailable, "try again later");
  if (head.status >= 400) return error(ErrorCode::kInvalid);
  return error(ErrorCode::kCorrupt, "is upstreams[].url a registry?");
}

}  // namespace layby::upstream
