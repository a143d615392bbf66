// SPDX-License-Identifier: Apache-2.0
//
// The store as the operator's commands see it: lists, pins and evicts images, and checks the
// stored blobs. Calls and callbacks are on the loop thread. A callback comes after its call has
// returned.

#ifndef LAYBY_CACHE_OPERATOR_STORE_H_
#define LAYBY_CACHE_OPERATOR_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layby/base/clock.h"
#include "layby/cache/store.h"
#include "layby/oci/digest.h"

namespace layby::cache {

// The scrub under way, or the last scrub when none is under way.
struct ScrubStatus {
  bool running = false;
  bool on_demand = false;
  bool rebuilding = false;  // A new index is being filled from the blob files.
  std::uint64_t checked_blobs = 0;
  std::uint64_t checked_bytes = 0;
  std::uint64_t bad_blobs = 0;
  std::optional<WallTime> last_ended;
};

// One platform of a cached image. The platform's manifest is stored.
struct CachedPlatform {
  std::string platform;  // "linux/amd64"; empty for an image without an index.
  oci::Digest digest;
  std::uint64_t bytes = 0;  // The bytes of the platform's stored blobs.
  // The bytes of the platform's blobs that aren't stored. Foreign layers don't count.
  std::uint64_t missing_bytes = 0;
};

struct CachedImage {
  // For an image without a tag, TagKey::tag is its digest, and the repository is the one that the
  // image was fetched from.
  TagKey tag;
  oci::Digest digest;
  WallTime checked_at;
  std::optional<WallTime> used_at;
  bool pinned = false;  // Pinned by hand.
  bool listed = false;  // Pinned by the prefetch list, see Store::set_list_pins().
  // Bytes of the stored blobs of all `platforms`, each blob counted once.
  std::uint64_t bytes = 0;
  std::uint64_t shared_bytes = 0;  // The bytes of blobs that another cached image has too.
  std::uint64_t missing_bytes = 0;
  std::vector<CachedPlatform> platforms;
};

struct Catalog {
  std::vector<CachedImage> images;   // Sorted by upstream, repository and tag.
  std::vector<TagKey> waiting_pins;  // Pinned by hand, and not cached yet.
  std::uint64_t blob_bytes = 0;
  std::uint64_t untagged_bytes = 0;  // The bytes of blobs that no image in `images` has.
};

class OperatorStore {
 public:
  virtual ~OperatorStore() = default;

  // Forgets a tag, and the parts of its image that no other image needs. kNotFound when the
  // tag isn't cached; kDenied when the tag is pinned, by hand or by the list.
  virtual void evict_image(const TagKey& key, Given<EvictedSum> done) = 0;
  // Protects the image that the tag names now or later. The image need not be cached. TagKey::tag
  // may be a digest here and in evict_image(). `done` gets true if the tag was pinned by hand
  // before.
  virtual void pin(const TagKey& key, Given<bool> done) = 0;
  virtual void unpin(const TagKey& key, Given<bool> done) = 0;
  virtual void list_images(Given<Catalog> done) = 0;
  // Begins a check of all stored blobs.
  virtual void verify() = 0;
  virtual ScrubStatus scrub() const = 0;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_OPERATOR_STORE_H_
