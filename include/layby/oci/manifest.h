// SPDX-License-Identifier: Apache-2.0
//
// Reads from manifests and indexes what a cache needs: their kind and the content that they name
// (OCI image-spec manifest.md and image-index.md; Docker schema 2 and manifest lists). Clients get
// the bytes of a manifest unchanged.

#ifndef LAYBY_OCI_MANIFEST_H_
#define LAYBY_OCI_MANIFEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/result.h"
#include "layby/oci/digest.h"
#include "layby/oci/platform.h"

namespace layby::oci {

inline constexpr std::uint64_t kMaxManifestBytes = 4 << 20;

inline constexpr std::string_view kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerManifestList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";

// The value of an Accept header that asks for all four media types.
std::string accept_all_manifests();

// Whether `media_type` is one of the four media types.
bool is_manifest_type(std::string_view media_type);

bool is_index(std::string_view media_type);

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size_bytes = 0;
  std::optional<Platform> platform;  // Set only in an index.
  std::optional<Digest> attests{};   // Set only in an index: the image that this manifest attests.
  // A registry may lack this content, and clients fetch the content from elsewhere: a layer that
  // must not be distributed, or a descriptor with "urls" (image-spec descriptor.md, layer.md).
  bool is_foreign = false;
};

struct Manifest {
  std::string media_type;
  std::optional<Descriptor> config;   // Not set in an index.
  std::vector<Descriptor> layers;     // Blobs; empty in an index.
  std::vector<Descriptor> manifests;  // Children; only in an index.
  std::optional<Descriptor> subject;
};

// Reads a manifest. `content_type` is upstream's Content-Type, which is used only if the manifest
// has no "mediaType". The message of a kInvalid names the field at fault.
Result<Manifest> parse_manifest(std::string_view json, std::string_view content_type);

}  // namespace layby::oci

#endif  // LAYBY_OCI_MANIFEST_H_
