// SPDX-License-Identifier: Apache-2.0
//
// The store as the operator's commands see it: lists, pins and evicts images, and checks the
// stored blobs. Calls and callbacks are on the loop thread; no callback comes inside the
// call.

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

// The check of stored blobs: the present pass, or the last one.
struct ScrubStatus {
  bool running = false;
  bool on_demand = false;
  bool rebuilding = false;  // A new index is filled from the blob files.
  std::uint64_t checked_blobs = 0;
  std::uint64_t checked_bytes = 0;
  std::uint64_t bad_blobs = 0;
  std::optional<WallTime> last_ended;
};

// One platform of a cached image. The platform's manifest is stored.
struct CachedPlatform {
  std::string platform;  // "linux/amd64"; empty for an image without an index.
  oci::Digest digest;
  std::uint64_t bytes = 0;          // Of its stored blobs.
  std::uint64_t missing_bytes = 0;  // Of its blobs that aren't stored.
};

struct CachedImage {
  TagKey tag;
  oci::Digest digest;
  WallTime checked_at;
  std::optional<WallTime> used_at;
  bool pinned = false;  // Pinned by hand.
  bool listed = false;  // Pinned by the operator's list, set_list_pins().
  // Of the blobs of its stored platforms, each blob counted once.
  std::uint64_t bytes = 0;
  std::uint64_t shared_bytes = 0;  // Of blobs that another cached image has too.
  std::uint64_t missing_bytes = 0;
  std::vector<CachedPlatform> platforms;
};

struct Catalog {
  std::vector<CachedImage> images;   // Sorted by upstream, repository and tag.
  std::vector<TagKey> waiting_pins;  // Pinned by hand, and not cached yet.
  std::uint64_t blob_bytes = 0;
  std::uint64_t untagged_bytes = 0;  // Of blobs that no image in `images` has.
};

class OperatorStore {
 public:
  virtual ~OperatorStore() = default;

  // Forgets a tag, and the parts of its image that nothing else needs. kNotFound when it
  // isn't cached, kDenied when it is pinned, by hand or by the list.
  virtual void evict_image(const TagKey& key, Given<EvictedSum> done) = 0;
  // A pin needs no cached image: it protects the image that the tag names, now or later.
  // TagKey::tag may be a digest here and in evict_image. `done` gets whether there was a
  // pin before.
  virtual void pin(const TagKey& key, Given<bool> done) = 0;
  virtual void unpin(const TagKey& key, Given<bool> done) = 0;
  virtual void list_images(Given<Catalog> done) = 0;
  // Begins a check of all stored blobs.
  virtual void verify() = 0;
  virtual ScrubStatus scrub() const = 0;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_OPERATOR_STORE_H_
