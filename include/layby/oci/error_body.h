// SPDX-License-Identifier: Apache-2.0
//
// Error answers of the distribution API: their codes, statuses and JSON bodies (OCI
// distribution-spec 1.1, "Error Codes").

#ifndef LAYBY_OCI_ERROR_BODY_H_
#define LAYBY_OCI_ERROR_BODY_H_

#include <string>
#include <string_view>

namespace layby::oci {

enum class ApiErrorCode {
  kBlobUnknown,              // 404 BLOB_UNKNOWN
  kManifestUnknown,          // 404 MANIFEST_UNKNOWN
  kNameUnknown,              // 404 NAME_UNKNOWN
  kNameInvalid,              // 400 NAME_INVALID
  kDigestInvalid,            // 400 DIGEST_INVALID
  kRangeInvalid,             // 416 RANGE_INVALID
  kPaginationNumberInvalid,  // 400 PAGINATION_NUMBER_INVALID
  kManifestInvalid,          // 400 MANIFEST_INVALID: neither a tag nor a digest
  kUnauthorized,             // 401 UNAUTHORIZED
  kDenied,                   // 403 DENIED
  kUnsupported,              // 405 UNSUPPORTED
  kTooManyRequests,          // 429 TOOMANYREQUESTS
  kUnavailable,              // 503 UNAVAILABLE, a code of Docker's registry
};

int http_status(ApiErrorCode code);
std::string_view to_string(ApiErrorCode code);

// Returns {"errors":[{"code":"DENIED","message":"…","detail":"…"}]}. An empty `detail` is left out.
// `message` and `detail` may contain any bytes.
std::string error_body(ApiErrorCode code, std::string_view message, std::string_view detail = "");

}  // namespace layby::oci

#endif  // LAYBY_OCI_ERROR_BODY_H_
