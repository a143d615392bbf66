// SPDX-License-Identifier: Apache-2.0
//
// Turns a request into a use case of the cache. Each kind of route has its own serve(), which
// starts the use case. registry_answers turns the result into the answer.

#include "layby/server/registry_api.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "layby/base/ip_address.h"
#include "layby/base/log.h"
#include "layby/base/number.h"
#include "layby/http/box_id.h"
#include "layby/http/url.h"
#include "layby/oci/route.h"
#include "server/origin_choice.h"
#include "server/registry_answers.h"

namespace layby::server {
namespace {

using oci::ApiErrorCode;

Response pushes_refused() {
  Response response =
      error_answer(ApiErrorCode::kUnsupported,
                   "this is a pull-through cache: push to the registry itself, then pull here");
  response.headers.add("Allow", "GET, HEAD");
  return response;
}

std::string_view loop_message(bool is_own) {
  return is_own ? "a loop: this box asks itself; change upstreams[].parent or upstreams[].url of "
                  "this box"
                : "a loop: this box asks the box that asks it; change upstreams[].parent of this "
                  "box, or upstreams[].parent of the other box";
}

bool wants_whole(const Request& request) {
  const auto range = request.headers.get("Range");
  return !range || *range == "bytes=0-";
}

// Starts the answer to one request. An ApiRequest lives only until start() returns, so no
// callback of the cache refers to the ApiRequest.
class ApiRequest {
 public:
  ApiRequest(cache::Cache& cache, const Request& request, Handler::Respond respond)
      : cache_(cache), request_(request), respond_(std::move(respond)) {}

  Handle start() {
    const bool reads = request_.method == "GET" || request_.method == "HEAD";
    if (!reads) return answer(pushes_refused());
    // A broken `ns` would be read as a missing `ns`, and another registry would be asked.
    if (!http::has_valid_escapes(request_.query)) {
      return answer(error_answer(ApiErrorCode::kNameInvalid,
                                 "the query has a broken escape; write %XX, and never %00"));
    }
    return std::visit([this](const auto& route) { return serve(route); },
                      oci::parse_route(request_.path));
  }

 private:
  Handle serve(const oci::PingRoute&) { return answer(json_answer("{}")); }
  Handle serve(const oci::UploadRoute&) { return answer(pushes_refused()); }
  Handle serve(const oci::BadRoute& route) {
    return answer(error_answer(route.code, route.message));
  }
  Handle serve(const oci::ManifestRoute& route);
  Handle serve(const oci::BlobRoute& route);
  Handle serve(const oci::TagsRoute& route);
  Handle serve(const oci::ReferrersRoute& route);

  IpAddress client() const { return counted_address(request_.client.ip); }
  bool is_head() const { return request_.method == "HEAD"; }

  Handle answer(Response response) {
    respond_(std::move(response));
    return nullptr;
  }

  // The repository that the client asks for. Returns nullopt after target() sent a refusal.
  std::optional<Target> target(const std::string& repository);
  // The page that the client asks for. Returns nullopt after tag_page() sent a refusal.
  std::optional<cache::TagPageRequest> tag_page();

  cache::Cache& cache_;
  const Request& request_;
  Handler::Respond respond_;
};

std::optional<Target> ApiRequest::target(const std::string& repository) {
  auto choice = choose_origin(cache_, request_, repository);
  if (auto* refusal = std::get_if<Response>(&choice)) {
    respond_(std::move(*refusal));
    return std::nullopt;
  }
  return std::get<Target>(std::move(choice));
}

Handle ApiRequest::serve(const oci::ManifestRoute& route) {
  const auto at = target(route.repository);
  if (!at) return nullptr;
  return cache_.get_manifest(
      *at->origin, at->repository, route.reference, is_head(),
      [&request = request_, respond = respond_](const Result<cache::ManifestAnswer>& manifest) {
        respond(manifest.ok() ? manifest_answer(request, *manifest)
                              : failure_answer(manifest.error(), ApiErrorCode::kManifestUnknown));
      },
      client());
}

Handle ApiRequest::serve(const oci::BlobRoute& route) {
  const auto at = target(route.repository);
  if (!at) return nullptr;
  // If-None-Match counts only if the client may have the blob (RFC 9110, section 13.2.1). The
  // answer 304 needs no bytes of the blob, so the blob isn't fetched.
  if (is_head() || blob_not_modified(request_, route.digest)) {
    return cache_.head_blob(
        *at->origin, at->repository, route.digest,
        [&request = request_, digest = route.digest,
         respond = respond_](const Result<cache::BlobHead>& head) {
          respond(head.ok() ? blob_head_answer(request, digest, *head)
                            : failure_answer(head.error(), ApiErrorCode::kBlobUnknown));
        },
        client());
  }
  return cache_.open_blob(
      *at->origin, at->repository, route.digest,
      [&cache = cache_, &request = request_, digest = route.digest,
       respond = respond_](Result<std::unique_ptr<cache::BlobReader>> reader) {
        if (reader.ok() && !(*reader)->from_fill() && wants_whole(request)) {
          cache.note_whole_pull(request.client.ip, digest);
        }
        respond(reader.ok() ? blob_answer(request, digest, std::move(*reader))
                            : failure_answer(reader.error(), ApiErrorCode::kBlobUnknown));
      },
      client());
}

std::optional<cache::TagPageRequest> ApiRequest::tag_page() {
  cache::TagPageRequest page;
  page.last = http::query_value(request_.query, "last").value_or("");
  const auto count = http::query_value(request_.query, "n");
  if (count) page.count = parse_number(*count);
  if (count && !page.count) {
    respond_(error_answer(ApiErrorCode::kPaginationNumberInvalid,
                          "n must be a number of tags, 0 or more"));
    return std::nullopt;
  }
  return page;
}

Handle ApiRequest::serve(const oci::TagsRoute& route) {
  const auto at = target(route.repository);
  if (!at) return nullptr;
  const auto page = tag_page();
  if (!page) return nullptr;
  if (page->count == 0) return answer(tags_answer(request_, at->client_name(), *page, {}));
  return cache_.get_tags(
      *at->origin, at->repository, *page,
      [&request = request_, name = at->client_name(), page = *page,
       respond = respond_](const Result<cache::TagPage>& tags) {
        respond(tags.ok() ? tags_answer(request, name, page, *tags)
                          : failure_answer(tags.error(), ApiErrorCode::kNameUnknown));
      },
      client());
}

Handle ApiRequest::serve(const oci::ReferrersRoute& route) {
  const auto at = target(route.repository);
  if (!at) return nullptr;
  const std::string type = http::query_value(request_.query, "artifactType").value_or("");
  return cache_.get_referrers(
      *at->origin, at->repository, route.digest, type,
      [respond = respond_](Result<std::string> index) {
        respond(index.ok() ? referrers_answer(std::move(*index))
                           : failure_answer(index.error(), ApiErrorCode::kNameUnknown));
      },
      client());
}

}  // namespace

std::vector<std::string> RegistryApi::path_of(const Request& request) const {
  std::vector<std::string> path{box_};
  const cache::Origin* origin =
      cache_.find_origin(http::query_value(request.query, "ns").value_or(""));
  if (origin == nullptr) return path;
  for (std::string& box : origin->upstream->boxes()) {
    if (path.size() == http::kMostBoxes) break;
    if (std::find(path.begin(), path.end(), box) == path.end()) path.push_back(std::move(box));
  }
  return path;
}

Handle RegistryApi::answer_box(const Request& request, Respond respond) {
  const std::vector<std::string> path = path_of(request);
  const auto askers = http::box_ids(request.headers.joined("CDN-Loop"));
  const auto asker = std::find_first_of(askers.begin(), askers.end(), path.begin(), path.end());
  Respond answer = [via = http::format_via(path), respond = std::move(respond)](Response response) {
    response.headers.add("Via", via);
    respond(std::move(response));
  };
  if (asker == askers.end()) return ApiRequest(cache_, request, std::move(answer)).start();
  if (!std::exchange(loop_told_, true)) log::warn("{}", loop_message(*asker == box_));
  Response refusal = error_answer(ApiErrorCode::kUnavailable, loop_message(*asker == box_));
  refusal.status = 508;
  answer(std::move(refusal));
  return nullptr;
}

Handle RegistryApi::handle(const Request& request, Respond respond) {
  const bool from_box = !box_.empty() && request.headers.count("CDN-Loop") > 0;
  return from_box ? answer_box(request, std::move(respond))
                  : ApiRequest(cache_, request, std::move(respond)).start();
}

}  // namespace layby::server
