// SPDX-License-Identifier: Apache-2.0
//
// Follows indexes within indexes, kMaxDepth deep. Visits each digest once, so a circle of
// indexes comes to an end.

#include "layby/cache/image_parts.h"

#include <algorithm>
#include <cassert>
#include <set>
#include <utility>

#include "layby/cache/store.h"
#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

constexpr int kMaxDepth = 3;

class Walk {
 public:
  Walk(ContentLookup& content, const PlatformChoice& choice, ImageParts& parts)
      : content_(content), choice_(choice), parts_(parts) {}

  void visit(const oci::Digest& digest, int depth) {
    if (depth > kMaxDepth || !seen_.insert(digest).second) return;
    const auto stored = content_.find_manifest(digest);
    if (!stored) {
      parts_.missing_manifests.push_back(digest);
      return;
    }
    assert(stored->bytes);
    const auto manifest = oci::parse_manifest(*stored->bytes, stored->media_type);
    if (!manifest.ok()) return;
    if (oci::is_index(manifest->media_type)) return visit_children(*manifest, depth);
    if (manifest->config) add_blob(*manifest->config);
    for (const oci::Descriptor& layer : manifest->layers) add_blob(layer);
  }

 private:
  void visit_children(const oci::Manifest& index, int depth) {
    std::set<oci::Digest> wanted;
    for (const oci::Platform& platform : choice_.platforms) {
      bool found = false;
      for (const oci::Descriptor& child : index.manifests) {
        if (child.attests || !child.platform) continue;
        if (!oci::satisfies(*child.platform, platform)) continue;
        wanted.insert(child.digest);
        found = true;
      }
      if (!found) parts_.missing_platforms.push_back(oci::to_string(platform));
    }
    for (const oci::Descriptor& child : index.manifests) {
      const bool attests = choice_.attestations && child.attests && wanted.contains(*child.attests);
      if (attests || wanted.contains(child.digest)) visit(child.digest, depth + 1);
    }
  }

  void add_blob(const oci::Descriptor& named) {
    if (!seen_.insert(named.digest).second) return;
    const auto stored_bytes = content_.find_blob(named.digest);
    parts_.blobs.push_back(
        {named.digest, stored_bytes.value_or(named.size_bytes), stored_bytes.has_value()});
  }

  ContentLookup& content_;
  const PlatformChoice& choice_;
  ImageParts& parts_;
  std::set<oci::Digest> seen_;
};

}  // namespace

bool ImageParts::whole() const {
  return manifests_known() &&
         std::all_of(blobs.begin(), blobs.end(), [](const ImageBlob& blob) { return blob.stored; });
}

std::uint64_t ImageParts::bytes() const {
  std::uint64_t bytes = 0;
  for (const ImageBlob& blob : blobs) bytes += blob.size_bytes;
  return bytes;
}

std::uint64_t ImageParts::missing_bytes() const {
  std::uint64_t bytes = 0;
  for (const ImageBlob& blob : blobs) bytes += blob.stored ? 0 : blob.size_bytes;
  return bytes;
}

ImageParts image_parts(ContentLookup& content, const oci::Digest& root,
                       const PlatformChoice& choice) {
  ImageParts parts;
  Walk(content, choice, parts).visit(root, 0);
  return parts;
}

Handle ask_whole(Store& store, const oci::Digest& root, const PlatformChoice& choice,
                 std::function<void(Result<bool>)> done) {
  return store.find_parts(root, choice, [done = std::move(done)](const Result<ImageParts>& parts) {
    if (!parts.ok()) return done(parts.error());
    done(parts->whole());
  });
}

}  // namespace layby::cache
