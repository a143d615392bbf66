// SPDX-License-Identifier: Apache-2.0
//
// The table of the distribution API's errors. Messages may quote a client's bytes, so invalid UTF-8
// in a message is replaced.

#include "layby/oci/error_body.h"

#include <array>
#include <cassert>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

namespace layby::oci {
namespace {

struct Entry {
  ApiErrorCode code;
  int status;
  std::string_view name;
};

constexpr std::array<Entry, 13> kEntries{{
    {ApiErrorCode::kBlobUnknown, 404, "BLOB_UNKNOWN"},
    {ApiErrorCode::kManifestUnknown, 404, "MANIFEST_UNKNOWN"},
    {ApiErrorCode::kNameUnknown, 404, "NAME_UNKNOWN"},
    {ApiErrorCode::kNameInvalid, 400, "NAME_INVALID"},
    {ApiErrorCode::kDigestInvalid, 400, "DIGEST_INVALID"},
    {ApiErrorCode::kRangeInvalid, 416, "RANGE_INVALID"},
    {ApiErrorCode::kPaginationNumberInvalid, 400, "PAGINATION_NUMBER_INVALID"},
    {ApiErrorCode::kManifestInvalid, 400, "MANIFEST_INVALID"},
    {ApiErrorCode::kUnauthorized, 401, "UNAUTHORIZED"},
    {ApiErrorCode::kDenied, 403, "DENIED"},
    {ApiErrorCode::kUnsupported, 405, "UNSUPPORTED"},
    {ApiErrorCode::kTooManyRequests, 429, "TOOMANYREQUESTS"},
    {ApiErrorCode::kUnavailable, 503, "UNAVAILABLE"},
}};

// The table has the order of the enumeration, so that a code is the index of its entry.
constexpr bool is_in_order() {
  for (std::size_t i = 0; i < kEntries.size(); ++i) {
    if (static_cast<std::size_t>(kEntries[i].code) != i) return false;
  }
  return true;
}
static_assert(is_in_order());

const Entry& entry_of(ApiErrorCode code) {
  assert(static_cast<std::size_t>(code) < kEntries.size());
  return kEntries[static_cast<std::size_t>(code)];
}

}  // namespace

int http_status(ApiErrorCode code) { return entry_of(code).status; }

std::string_view to_string(ApiErrorCode code) { return entry_of(code).name; }

std::string error_body(ApiErrorCode code, std::string_view message, std::string_view detail) {
  using nlohmann::ordered_json;
  ordered_json error;
  error["code"] = to_string(code);
  error["message"] = message;
  if (!detail.empty()) error["detail"] = detail;
  ordered_json body;
  body["errors"] = ordered_json::array({std::move(error)});
  return body.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace layby::oci
