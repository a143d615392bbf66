// SPDX-License-Identifier: Apache-2.0

#include "cli/image_probe.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <string_view>
#include <system_error>

#include "cli/answer.h"
#include "cli/curl_ptr.h"
#include "layby/http/url.h"

namespace layby::cli {
namespace {

constexpr long kPatienceSeconds = 10;
constexpr std::size_t kMaxBody = 64 << 10;
constexpr const char* kAccept =
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

struct ListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::size_t on_probe_header(char* data, std::size_t, std::size_t size, void* is_layby) noexcept {
  if (std::string_view(data, size).starts_with("Server: layby"))
    *static_cast<bool*>(is_layby) = true;
  return size;
}

std::size_t on_refusal(char* data, std::size_t, std::size_t size, void* into) noexcept {
  auto& body = *static_cast<std::string*>(into);
  if (body.size() + size <= kMaxBody) body.append(data, size);
  return size;
}

// The message of an OCI error body, or "".
std::string message_of(const std::string& body) {
  const Json answer = Json::parse(body, nullptr, false);
  const Json& errors = answer.is_object() ? list(answer, "/errors") : answer;
  return errors.is_array() && !errors.empty() ? sentence(errors.front(), "/message") : "";
}

std::string error_of(CURL* curl, CURLcode code, const char* why) {
  long reason = 0;
  curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &reason);
  if (code == CURLE_COULDNT_CONNECT && reason != 0) {
    return std::generic_category().message(static_cast<int>(reason));
  }
  return *why != '\0' ? why : curl_easy_strerror(code);
}

std::string url_of(const engines::Endpoint& endpoint, const std::string& reference) {
  std::string url = endpoint.api + "/" + endpoint.repository + "/manifests/" + reference;
  if (!endpoint.ns.empty()) url += "?ns=" + http::percent_encode(endpoint.ns);
  return url;
}

Probe ask(const engines::Endpoint& endpoint, const std::string& reference, bool head) {
  Probe probe;
  const CurlPtr curl(curl_easy_init());
  if (!curl) return {0, false, "libcurl can't be started"};
  const std::string url = url_of(endpoint, reference);
  std::array<char, CURL_ERROR_SIZE> why{};
  std::string body;
  const std::unique_ptr<curl_slist, ListFree> headers(curl_slist_append(nullptr, kAccept));
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_NOBODY, head ? 1L : 0L);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "layby-check");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kPatienceSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, why.data());
  curl_easy_setopt(curl.get(), CURLOPT_HEADERFUNCTION, &on_probe_header);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &probe.is_layby);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &on_refusal);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  if (!endpoint.verifies) {
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!endpoint.ca_file.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO, endpoint.ca_file.c_str());
  }
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) {
    probe.error = error_of(curl.get(), code, why.data());
    return probe;
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  probe.status = static_cast<int>(status);
  if (status >= 400) probe.error = message_of(body);
  return probe;
}

}  // namespace

// A HEAD costs no pull. Only the answer to a GET says why an image is refused, and a refusal costs
// no pull either.
Probe ask_for_image(const engines::Endpoint& endpoint, const std::string& reference) {
  const Probe probe = ask(endpoint, reference, true);
  const bool is_refused = probe.status >= 400 && probe.status != 401;
  return is_refused ? ask(endpoint, reference, false) : probe;
}

}  // namespace layby::cli
