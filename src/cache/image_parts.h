// SPDX-License-Identifier: Apache-2.0
//
// The parts of an image, as far as its stored manifests name them: the manifests that are
// missing, the blobs, and which blobs are stored.

#ifndef LAYBY_CACHE_IMAGE_PARTS_H_
#define LAYBY_CACHE_IMAGE_PARTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "layby/cache/prefetch.h"
#include "layby/cache/store.h"
#include "layby/oci/digest.h"

namespace layby::cache {

struct ImageBlob {
  oci::Digest digest;
  std::uint64_t size_bytes = 0;
  bool stored = false;
};

struct ImageParts {
  // The parts that these name are unknown until they are fetched.
  std::vector<oci::Digest> missing_manifests;
  std::vector<ImageBlob> blobs;                // Each blob once.
  std::vector<std::string> missing_platforms;  // Wanted, and not in the index.

  bool manifests_known() const { return missing_manifests.empty(); }
  bool whole() const;
  std::uint64_t bytes() const;
  std::uint64_t missing_bytes() const;
};

// The parts of the manifest or index `root`. Parses each stored manifest of the image,
// which takes about 0.1 ms each.
ImageParts image_parts(Store& store, const oci::Digest& root, const PlatformChoice& choice);

}  // namespace layby::cache

#endif  // LAYBY_CACHE_IMAGE_PARTS_H_
