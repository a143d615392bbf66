// SPDX-License-Identifier: Apache-2.0
//
// The results of the cache's use cases as responses of the distribution API.

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

// `missing` is the API's code for kNotFound: it names the kind of the missing thing.
Response failure_answer(const Error& error, oci::ApiErrorCode missing);

Response json_answer(std::string body, std::string_view content_type = "application/json");

Response manifest_answer(const Request& request, const cache::ManifestAnswer& manifest);

// The whole blob, a range of it, or 416, depending on the request's Range and If-Range.
Response blob_answer(const Request& request, const oci::Digest& digest,
                     std::unique_ptr<cache::BlobReader> reader);

// The answer to HEAD of a blob. The 304 to If-None-Match needs no look-up of the blob.
Response blob_head_answer(const oci::Digest& digest, const cache::BlobHead& head);
bool blob_not_modified(const Request& request, const oci::Digest& digest);
Response blob_not_modified_answer(const oci::Digest& digest);

// `client_name` is Target::client_name().
Response tags_answer(const Request& request, const std::string& client_name,
                     const cache::TagPageRequest& asked, const cache::TagPage& page);

// `index` is upstream's answer; empty when there are no referrers.
Response referrers_answer(std::string index);

}  // namespace layby::server

#endif  // LAYBY_SERVER_REGISTRY_ANSWERS_H_
