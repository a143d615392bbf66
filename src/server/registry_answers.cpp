// SPDX-License-Identifier: Apache-2.0
//
// Content with a digest never changes, so the digest is the entity tag of the content, and any
// cache may keep a blob for ever.

#include "server/registry_answers.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <random>
#include <utility>

#include "layby/base/encoding.h"
#include "layby/http/conditional.h"
#include "layby/http/multipart_ranges.h"
#include "layby/http/range.h"
#include "layby/http/url.h"
#include "layby/oci/manifest.h"
#include "layby/oci/tag_list.h"

namespace layby::server {
namespace {

constexpr std::string_view kOctets = "application/octet-stream";

std::string etag_of(const oci::Digest& digest) { return '"' + digest.str() + '"'; }

void add_digest(http::Headers& headers, const oci::Digest& digest) {
  headers.add("Docker-Content-Digest", digest.str());
  headers.add("ETag", {"\"", digest.str(), "\""});
}

Response api_response(int status) {
  Response response;
  response.status = status;
  response.headers.add("Docker-Distribution-Api-Version", "registry/2.0");
  return response;
}

Response blob_response(int status, const oci::Digest& digest,
                       std::string_view content_type = kOctets) {
  Response response = api_response(status);
  response.headers.add("Content-Type", content_type);
  add_digest(response.headers, digest);
  response.headers.add("Accept-Ranges", "bytes");
  response.headers.add("Cache-Control", "max-age=31536000, immutable");
  return response;
}

bool has_none_match(const Request& request, const oci::Digest& digest) {
  return request.headers.count("If-None-Match") > 0 &&
         http::none_match_hits(request.headers.joined("If-None-Match"), etag_of(digest));
}

http::RangeDecision range_of(const Request& request, const oci::Digest& digest,
                             std::uint64_t size_bytes) {
  const auto condition = request.headers.get("If-Range");
  if (condition && !http::if_range_holds(*condition, etag_of(digest))) return http::WholeBody{};
  return http::resolve_range(request.headers.get("Range"), size_bytes);
}

// Each answer has another boundary, so nobody can make a blob that has the boundary in its bytes.
std::string random_boundary() {
  std::random_device random;
  std::array<std::uint32_t, 4> words{};
  for (std::uint32_t& word : words) word = random();
  return to_hex({reinterpret_cast<const char*>(words.data()), sizeof words});
}

// Several ranges in one body; null if the whole blob takes fewer bytes, or if the reader can't read
// in the order of the ranges.
std::unique_ptr<const http::MultipartRanges> parts_of(http::ByteRanges ranges,
                                                      const cache::BlobReader& reader) {
  const auto begins_before = [](const http::ByteRange& a, const http::ByteRange& b) {
    return a.first < b.first;
  };
  if (reader.from_fill() && !std::is_sorted(ranges.begin(), ranges.end(), begins_before)) {
    return nullptr;
  }
  auto parts = std::make_unique<const http::MultipartRanges>(std::move(ranges), reader.size_bytes(),
                                                             random_boundary(), kOctets);
  return parts->body_bytes() < reader.size_bytes() ? std::move(parts) : nullptr;
}

Response multipart_answer(const oci::Digest& digest, std::unique_ptr<cache::BlobReader> reader,
                          std::unique_ptr<const http::MultipartRanges> parts) {
  Response response = blob_response(206, digest, parts->content_type());
  const http::ByteRange span = parts->span();
  response.body = BlobBody{std::move(reader), span, std::move(parts)};
  return response;
}

}  // namespace

Response error_answer(oci::ApiErrorCode code, std::string_view message) {
  Response response = api_response(oci::http_status(code));
  response.headers.add("Content-Type", "application/json");
  response.body = std::make_shared<const std::string>(oci::error_body(code, message));
  return response;
}

Response failure_answer(const Error& error, oci::ApiErrorCode missing) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return error_answer(missing, error.message);
    case ErrorCode::kDenied:
      return error_answer(oci::ApiErrorCode::kDenied, error.message);
    default:
      break;
  }
  Response response = error_answer(oci::ApiErrorCode::kUnavailable, error.message);
  if (error.retry_after) {
    response.headers.add("Retry-After", std::to_string(error.retry_after->count()));
  }
  return response;
}

Response json_answer(std::string body, std::string_view content_type) {
  Response response = api_response(200);
  response.headers.add("Content-Type", content_type);
  response.body = std::make_shared<const std::string>(std::move(body));
  return response;
}

Response manifest_answer(const Request& request, const cache::ManifestAnswer& manifest) {
  const bool same = has_none_match(request, manifest.digest);
  Response response = api_response(same ? 304 : 200);
  response.headers.add("Content-Type", manifest.media_type);
  add_digest(response.headers, manifest.digest);
  if (manifest.age) {
    const auto age = std::max(manifest.age->count(), std::chrono::seconds::rep{0});
    response.headers.add("Age", std::to_string(age));
  }
  if (manifest.source == cache::ManifestSource::kStale ||
      manifest.source == cache::ManifestSource::kHeld) {
    response.headers.add("Warning", "110 layby \"Response is Stale\"");
  }
  if (same) {
    response.body = NoBody{};
  } else if (manifest.bytes) {
    response.body = manifest.bytes;
  } else {
    response.body = NoBody{manifest.size_bytes};
  }
  return response;
}

Response blob_answer(const Request& request, const oci::Digest& digest,
                     std::unique_ptr<cache::BlobReader> reader) {
  const std::uint64_t size = reader->size_bytes();
  auto decision = range_of(request, digest, size);
  if (std::holds_alternative<http::Unsatisfiable>(decision)) {
    Response response = error_answer(
        oci::ApiErrorCode::kRangeInvalid,
        "the range lies outside the blob, which has " + std::to_string(size) + " bytes");
    response.headers.add("Content-Range", "bytes */" + std::to_string(size));
    return response;
  }
  if (auto* ranges = std::get_if<http::ByteRanges>(&decision)) {
    auto parts = parts_of(std::move(*ranges), *reader);
    if (parts) return multipart_answer(digest, std::move(reader), std::move(parts));
  }
  const auto* range = std::get_if<http::ByteRange>(&decision);
  assert(range == nullptr || range->first + range->length <= size);
  Response response = blob_response(range != nullptr ? 206 : 200, digest);
  if (range != nullptr) {
    response.headers.add("Content-Range", http::format_content_range(*range, size));
  }
  response.body = BlobBody{std::move(reader), range != nullptr ? *range : http::ByteRange{0, size}};
  return response;
}

bool blob_not_modified(const Request& request, const oci::Digest& digest) {
  return has_none_match(request, digest);
}

Response blob_head_answer(const Request& request, const oci::Digest& digest,
                          const cache::BlobHead& head) {
  const bool same = has_none_match(request, digest);
  Response response = blob_response(same ? 304 : 200, digest);
  if (same) {
    response.body = NoBody{};
  } else {
    response.body = NoBody{head.size_bytes};
  }
  return response;
}

Response tags_answer(const Request& request, const std::string& client_name,
                     const cache::TagPageRequest& asked, const cache::TagPage& page) {
  std::vector<std::string> tags = page.tags;
  std::sort(tags.begin(), tags.end());
  Response response = json_answer(oci::tag_list_body(client_name, tags));
  if (page.more && !tags.empty()) {
    std::string query = "last=" + http::percent_encode(tags.back());
    if (asked.count) query += "&n=" + std::to_string(*asked.count);
    // The next page must come from the same upstream.
    if (const auto ns = http::query_value(request.query, "ns")) {
      query += "&ns=" + http::percent_encode(*ns);
    }
    response.headers.add("Link", "</v2/" + client_name + "/tags/list?" + query + ">; rel=\"next\"");
  }
  return response;
}

Response referrers_answer(std::string index) {
  if (index.empty()) {
    index = R"({"schemaVersion":2,"mediaType":")" + std::string(oci::kOciIndex) +
            R"(","manifests":[]})";
  }
  return json_answer(std::move(index), oci::kOciIndex);
}

}  // namespace layby::server
