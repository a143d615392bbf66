// SPDX-License-Identifier: Apache-2.0
//
// Parses the paths of the distribution API (OCI distribution-spec 1.1, "Endpoints") into values. A
// path with an invalid part gives a BadRoute with the specification's error code. A registry may
// come before the repository (is_qualified_repository), so that one server can serve several
// registries.

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
struct UploadRoute {  // /v2/<name>/blobs/uploads/…: a push.
  std::string repository;
};
struct BadRoute {  // A path that isn't valid: the answer has this code.
  ApiErrorCode code;
  std::string message;
};

using Route = std::variant<PingRoute, ManifestRoute, BlobRoute, TagsRoute, ReferrersRoute,
                           UploadRoute, BadRoute>;

// Reads the path of a request as sent, without the query:
// "/v2/library/debian/manifests/bookworm". Percent escapes are decoded first.
Route parse_route(std::string_view path);

}  // namespace layby::oci

#endif  // LAYBY_OCI_ROUTE_H_
