// SPDX-License-Identifier: Apache-2.0
//
// Speaks HTTP over the Unix socket by libcurl. Each exchange is bounded in time and in bytes, so
// that a user who runs `layby status` on a sick box gets the prompt back.

#include "cli/daemon_client.h"

#include <fmt/format.h>

#include <curl/curl.h>

#include <cassert>
#include <cstddef>

#include "cli/answer.h"
#include "cli/curl_ptr.h"
#include "layby/base/bytes.h"

namespace layby::cli {
namespace {

// The largest answer is GET /images, where an image of twelve platforms takes 3 KiB.
constexpr std::size_t kMaxAnswer = 64 << 20;

enum class Method { kGet, kPost };

struct Question {
  Method method;
  const std::string& socket;
  const std::string& path;
  std::chrono::seconds patience;
};

std::size_t on_body(char* data, std::size_t, std::size_t size, void* body) noexcept {
  auto& text = *static_cast<std::string*>(body);
  if (text.size() + size > kMaxAnswer) return 0;  // Any result but `size` stops curl.
  text.append(data, size);
  return size;
}

Error failure_of(const Question& question, CURL* curl, CURLcode code) {
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return {ErrorCode::kTimedOut,
            fmt::format("no answer at {} within {}; the daemon may still be working on it",
                        question.socket, format_duration(question.patience))};
  }
  if (code != CURLE_COULDNT_CONNECT) {
    return {ErrorCode::kInvalid,
            fmt::format("no answer at {}: {}", question.socket, curl_easy_strerror(code))};
  }
  long reason = 0;
  curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &reason);
  return {ErrorCode::kUnavailable,
          errno_error("no daemon answers at " + question.socket, static_cast<int>(reason)).message};
}

ErrorCode kind_of(long status) {
  if (status == 404) return ErrorCode::kNotFound;
  return status < 500 ? ErrorCode::kDenied : ErrorCode::kIo;
}

// The error with the daemon's own sentence. An answer without a sentence came from another program.
Error refusal_of(const Question& question, long status, const std::string& body) {
  const Result<Json> answer = parse_answer(body);
  const std::string words = answer ? sentence(*answer, "/error") : "";
  if (!words.empty()) return {kind_of(status), words};
  return {ErrorCode::kInvalid,
          fmt::format(
              "the program at {} answered {} for {}; is it another program, or another version?",
              question.socket, status, question.path)};
}

void prepare(const Question& question, CURL* curl, std::string& body) {
  const std::string url =
      "http://layby" + question.path;  // HTTP needs a host name; any name has the same effect.
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, question.socket.c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROXY, "");  // Ignores http_proxy.
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(kShortPatience.count()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(question.patience.count()));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  if (question.method == Method::kPost) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
  }
}

Result<std::string> exchange(const Question& question) {
  assert(question.path.starts_with('/'));
  assert(question.patience.count() > 0);  // To curl, 0 means no timeout.
  const CurlPtr curl(curl_easy_init());
  if (!curl) return Error{ErrorCode::kIo, "libcurl could not be started"};
  std::string body;
  prepare(question, curl.get(), body);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) return failure_of(question, curl.get(), code);
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200 && status < 300) return body;
  return refusal_of(question, status, body);
}

}  // namespace

Result<std::string> ask_daemon(const std::string& socket, const std::string& path,
                               std::chrono::seconds patience) {
  return exchange({Method::kGet, socket, path, patience});
}

Result<std::string> tell_daemon(const std::string& socket, const std::string& path,
                                std::chrono::seconds patience) {
  return exchange({Method::kPost, socket, path, patience});
}

}  // namespace layby::cli
