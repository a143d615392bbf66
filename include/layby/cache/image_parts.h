// SPDX-License-Identifier: Apache-2.0
//
// Lists the parts of an image that its stored manifests name: the missing manifests, and all blobs,
// stored or missing. An image is whole when no part is missing. Store::find_parts() finds the parts
// off the loop, and ask_whole() asks off the loop whether an image is whole.

#ifndef LAYBY_CACHE_IMAGE_PARTS_H_
#define LAYBY_CACHE_IMAGE_PARTS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/result.h"
#include "layby/oci/digest.h"
#include "layby/oci/platform.h"

namespace layby::cache {

class Store;            // layby/cache/store.h
struct StoredManifest;  // layby/cache/store.h

// Finds stored content by digest.
class ContentLookup {
 public:
  virtual ~ContentLookup() = default;
  virtual std::optional<StoredManifest> find_manifest(const oci::Digest& digest) = 0;
  // The size of a stored blob. Opens no file, and doesn't count as a use of the blob.
  virtual std::optional<std::uint64_t> find_blob(const oci::Digest& digest) const = 0;
};

// Chooses which manifests of an index are wanted. For a platform that the index doesn't have, the
// choice takes the best platform of oci::runnable_platforms(). The index itself is served whole.
struct PlatformChoice {
  std::vector<oci::Platform> platforms;
  bool attestations = false;
  std::vector<oci::Digest> without{};  // Manifests of an index that can't be had.
};

struct ImageBlob {
  oci::Digest digest;
  std::uint64_t size_bytes = 0;
  bool stored = false;
};

// A wanted manifest of an index.
struct ImageChild {
  oci::Digest digest;
  std::string name;  // "linux/arm64" or "attestation of linux/arm64", for people.
  bool attests = false;
  std::vector<oci::Digest> blobs{};  // Empty while the manifest is missing.

  // Whether `digest` is this manifest or one of its blobs.
  bool needs(const oci::Digest& part) const;
};

// An index without the wanted platform has another platform that the same clients choose.
struct Substitute {
  std::string wanted;  // "linux/arm/v6"
  std::string taken;   // "linux/arm/v5"
};

struct ImageParts {
  // The blobs of a missing manifest are unknown until the manifest is fetched.
  std::vector<oci::Digest> missing_manifests;
  // Each blob once. A foreign layer is a part only if it is stored.
  std::vector<ImageBlob> blobs;
  std::vector<ImageChild> children;  // Each manifest once; empty without an index.
  // The wanted platforms for which the index has no image that their clients can run.
  std::vector<std::string> missing_platforms;
  std::vector<Substitute> substitutes;

  bool manifests_known() const { return missing_manifests.empty(); }
  bool whole() const;
  std::uint64_t bytes() const;
  std::uint64_t missing_bytes() const;
};

// The parts of the manifest or index `root`. Parses each wanted manifest that is stored, in
// about 0.1 ms each.
ImageParts image_parts(ContentLookup& content, const oci::Digest& root,
                       const PlatformChoice& choice);

// Asks whether the image `root`, a manifest or an index, is whole. A helper thread reads the
// answer, and `done` runs on the loop. An error means that the index can't be read. `store`
// outlives the question.
Handle ask_whole(Store& store, const oci::Digest& root, const PlatformChoice& choice,
                 std::function<void(Result<bool>)> done);

}  // namespace layby::cache

#endif  // LAYBY_CACHE_IMAGE_PARTS_H_
