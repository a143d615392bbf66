// SPDX-License-Identifier: Apache-2.0
//
// Turns the results of the cache's use cases into responses of the distribution API.

#ifndef LAYBY_SERVER_REGISTRY_ANSWERS_H_
#define LAYBY_SERVER_REGISTRY_ANSWERS_H_

#include <memory>
#include <string>
#include <string_view>

#include "layby/cache/cache.h"
#include "layby/oci/error_body.h"
#include "layby/server/http_server.h"

namespace layby::server {

Response error_answer(oci::ApiErrorCode code, std::string_view message);

// `missing` is the API's code for kNotFound, such as kBlobUnknown for a missing blob.
Response failure_answer(const Error& error, oci::ApiErrorCode missing);

Response json_answer(std::string body, std::string_view content_type = "application/json");

Response manifest_answer(const Request& request, const cache::ManifestAnswer& manifest);

// Answers with the whole blob, a range of the blob, several ranges, or 416, as Range and If-Range
// demand.
Response blob_answer(const Request& request, const oci::Digest& digest,
                     std::unique_ptr<cache::BlobReader> reader);

// Whether If-None-Match names `digest`.
bool blob_not_modified(const Request& request, const oci::Digest& digest);
// The answer to a HEAD of a blob that the client may have; 304 if blob_not_modified().
Response blob_head_answer(const Request& request, const oci::Digest& digest,
                          const cache::BlobHead& head);

// `client_name` is Target::client_name().
Response tags_answer(const Request& request, const std::string& client_name,
                     const cache::TagPageRequest& asked, const cache::TagPage& page);

// `index` is upstream's answer, or empty when there are no referrers.
Response referrers_answer(std::string index);

}  // namespace layby::server

#endif  // LAYBY_SERVER_REGISTRY_ANSWERS_H_
