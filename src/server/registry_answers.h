// SPDX-License-Identifier: Apache-2.0
//
// Responses of the distribution API as values: what each use case's result looks like
// on the wire.

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

// `missing` is the code for kNotFound: what kind of thing isn't there.
Response failure_answer(const Error& error, oci::ApiErrorCode missing);

Response json_answer(std::string body, std::string_view content_type = "application/json");

Response manifest_answer(const Request& request, const cache::ManifestAnswer& manifest);

// The whole blob, a range of it, 304 or 416, as the request's conditions want.
Response blob_answer(const Request& request, const oci::Digest& digest,
                     std::unique_ptr<cache::BlobReader> reader);

// To HEAD of a blob, and to If-None-Match of one, which needs no look at it.
Response blob_head_answer(const oci::Digest& digest, const cache::BlobHead& head);
bool blob_not_modified(const Request& request, const oci::Digest& digest);
Response blob_not_modified_answer(const oci::Digest& digest);

// `client_name` is the repository as the client calls it, with the registry before it.
Response tags_answer(const Request& request, const std::string& client_name,
                     const cache::TagPageRequest& asked, const cache::TagPage& page);

// `index` as upstream sent it; empty when there are no referrers.
Response referrers_answer(std::string index);

}  // namespace layby::server

#endif  // LAYBY_SERVER_REGISTRY_ANSWERS_H_
