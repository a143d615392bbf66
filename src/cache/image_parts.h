// SPDX-License-Identifier: Apache-2.0
//
// What an image consists of, as far as its manifests are stored: which manifests are
// still missing, which blobs there are and which of them are stored.

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
  // To be fetched before more is known: what they name is not in here.
  std::vector<oci::Digest> missing_manifests;
  std::vector<ImageBlob> blobs;                // Each once.
  std::vector<std::string> missing_platforms;  // Wanted, and not in the index.

  bool manifests_known() const { return missing_manifests.empty(); }
  bool whole() const;
  std::uint64_t bytes() const;
  std::uint64_t missing_bytes() const;
};

// Of the manifest or index `root`. Parses each manifest on the way: some 0.1 ms each.
ImageParts image_parts(Store& store, const oci::Digest& root, const PlatformChoice& choice);

}  // namespace layby::cache

#endif  // LAYBY_CACHE_IMAGE_PARTS_H_
