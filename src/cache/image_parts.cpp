// SPDX-License-Identifier: Apache-2.0
//
// Follows indexes within indexes, kMaxDepth deep. Visits each digest once, so a circle of
// indexes comes to an end. A foreign layer that isn't stored is no part, because clients fetch it
// from elsewhere.

#include "layby/cache/image_parts.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <map>
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

  void visit_root(const oci::Digest& root) {
    seen_.insert(root);
    visit(root, 0, std::nullopt);
  }

 private:
  // `child` is the place of the manifest in ImageParts::children.
  void visit(const oci::Digest& digest, int depth, std::optional<std::size_t> child) {
    const auto stored = content_.find_manifest(digest);
    if (!stored) {
      parts_.missing_manifests.push_back(digest);
      return;
    }
    assert(stored->bytes);
    const auto manifest = oci::parse_manifest(*stored->bytes, stored->media_type);
    if (!manifest.ok()) return;
    if (oci::is_index(manifest->media_type)) return visit_children(*manifest, depth);
    if (manifest->config) add_blob(*manifest->config, child);
    for (const oci::Descriptor& layer : manifest->layers) add_blob(layer, child);
  }

  void visit_children(const oci::Manifest& index, int depth) {
    std::map<oci::Digest, std::string> wanted;  // The names by the digests.
    for (const oci::Platform& platform : choice_.platforms) {
      const auto children = choose(index, platform);
      if (children.empty()) {
        parts_.missing_platforms.push_back(to_string(platform));
        continue;
      }
      const oci::Platform& taken = *children.front()->platform;
      if (!oci::satisfies(taken, platform)) {
        parts_.substitutes.push_back({to_string(platform), to_string(taken)});
      }
      for (const oci::Descriptor* child : children) {
        if (!is_without(child->digest)) wanted.emplace(child->digest, to_string(*child->platform));
      }
    }
    for (const oci::Descriptor& child : index.manifests) {
      if (const auto image = wanted.find(child.digest); image != wanted.end()) {
        visit_child({child.digest, image->second}, depth);
      }
      if (!choice_.attestations || !child.attests || is_without(child.digest)) continue;
      if (const auto image = wanted.find(*child.attests); image != wanted.end()) {
        visit_child({child.digest, "attestation of " + image->second, true}, depth);
      }
    }
  }

  // The manifests for the best platform that a client of platform `wanted` can run. Several
  // manifests may be for one platform, such as those of several versions of Windows.
  static std::vector<const oci::Descriptor*> choose(const oci::Manifest& index,
                                                    const oci::Platform& wanted) {
    std::vector<const oci::Descriptor*> chosen;
    for (const oci::Platform& platform : oci::runnable_platforms(wanted)) {
      for (const oci::Descriptor& child : index.manifests) {
        if (child.attests || !child.platform) continue;
        if (oci::satisfies(*child.platform, platform)) chosen.push_back(&child);
      }
      if (!chosen.empty()) break;
    }
    return chosen;
  }

  void visit_child(ImageChild child, int depth) {
    if (depth >= kMaxDepth || !seen_.insert(child.digest).second) return;
    const oci::Digest digest = child.digest;
    parts_.children.push_back(std::move(child));
    visit(digest, depth + 1, parts_.children.size() - 1);
  }

  bool is_without(const oci::Digest& digest) const {
    return std::find(choice_.without.begin(), choice_.without.end(), digest) !=
           choice_.without.end();
  }

  void add_blob(const oci::Descriptor& named, std::optional<std::size_t> child) {
    const auto stored_bytes = content_.find_blob(named.digest);
    if (named.is_foreign && !stored_bytes) return;
    if (child) parts_.children[*child].blobs.push_back(named.digest);
    if (!seen_.insert(named.digest).second) return;
    parts_.blobs.push_back(
        {named.digest, stored_bytes.value_or(named.size_bytes), stored_bytes.has_value()});
  }

  ContentLookup& content_;
  const PlatformChoice& choice_;
  ImageParts& parts_;
  std::set<oci::Digest> seen_;
};

}  // namespace

bool ImageChild::needs(const oci::Digest& part) const {
  return part == digest || std::find(blobs.begin(), blobs.end(), part) != blobs.end();
}

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
  Walk(content, choice, parts).visit_root(root);
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
