// SPDX-License-Identifier: Apache-2.0
//
// HTTP over the Unix socket by libcurl. Bounded in time and in bytes: whoever runs
// `layby status` is looking at a sick box, and must get the prompt back.

#include "cli/daemon_client.h"

#include <curl/curl.h>

#include <cstddef>

#include "cli/curl_ptr.h"
#include "layby/base/log.h"

namespace layby::cli {
namespace {

constexpr long kSeconds = 10;
constexpr std::size_t kMaxAnswer = 16 << 20;

std::size_t on_body(char* data, std::size_t, std::size_t size, void* body) noexcept {
  auto& text = *static_cast<std::string*>(body);
  if (text.size() + size > kMaxAnswer) return 0;  // Makes curl stop.
  text.append(data, size);
  return size;
}

Error failure_of(const std::string& socket, CURL* curl, CURLcode code) {
  if (code != CURLE_COULDNT_CONNECT) {
    const ErrorCode kind =
        code == CURLE_OPERATION_TIMEDOUT ? ErrorCode::kTimedOut : ErrorCode::kInvalid;
    return {kind, "no answer at " + socket + ": " + curl_easy_strerror(code)};
  }
  long reason = 0;
  curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &reason);
  return {ErrorCode::kUnavailable,
          errno_error("no daemon answers at " + socket, static_cast<int>(reason)).message};
}

}  // namespace

Result<std::string> ask_daemon(const std::string& socket, const std::string& path) {
  const CurlPtr curl(curl_easy_init());
  if (!curl) return Error{ErrorCode::kIo, "libcurl could not be started"};
  const std::string url = "http://layby" + path;  // The host is a form only.
  std::string body;
  curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");  // Whatever the environment says.
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) return failure_of(socket, curl.get(), code);
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status == 200) return body;
  return Error{ErrorCode::kInvalid, "what listens at " + socket + " answered " +
                                        std::to_string(status) + " for " + path +
                                        "; is it another program?"};
}

}  // namespace layby::cli
