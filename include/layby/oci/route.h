// SPDX-License-Identifier: Apache-2.0
//
// The paths of the distribution API (OCI distribution-spec 1.1, "Endpoints"), read
// into a value. A wrong part of a path is a wrong route with the code that the
// specification gives it, not a missing page. A repository may have a registry before it
// (is_qualified_repository), for a path that serves several.

#ifndef LAYBY_OCI_ROUTE_H_
#define LAYBY_OCI_ROUTE_H_

#include <string>
#include <string_view>
#include <variant>

#include "layby/oci/error_body.h"
#include "layby/oci/reference.h"

namespace layby::oci {

struct PingRoute {};  // /v2/
struct ManifestRoute {
  std::string repository;
  Reference reference;
};
struct BlobRoute {
  std::string repository;
  Digest digest;
};
struct TagsRoute {
  std::string repository;
};
struct ReferrersRoute {
  std::string repository;
  Digest digest;
};
struct UploadRoute {  // /v2/<name>/blobs/uploads/…: pushing.
  std::string repository;
};
struct BadRoute {  // Under /v2/ but not valid: answer with this code.
  ApiErrorCode code;
  std::string message;
};

using Route = std::variant<PingRoute, ManifestRoute, BlobRoute, TagsRoute, ReferrersRoute,
                           UploadRoute, BadRoute>;

// Reads the path of a request, without its query, as it stood on the wire:
// "/v2/library/debian/manifests/bookworm". Percent escapes are undone first.
Route parse_route(std::string_view path);

}  // namespace layby::oci

#endif  // LAYBY_OCI_ROUTE_H_
