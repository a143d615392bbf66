// SPDX-License-Identifier: Apache-2.0
//
// The number of indexes is bounded, because clients choose them, and because a failure reads them.

#include "cache/recent_indexes.h"

#include <algorithm>
#include <cstddef>

#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

constexpr std::size_t kMostIndexes = 64;
// A client asks for a platform right after the index, so a failure reads only a few indexes of the
// client's repository.
constexpr int kMostReads = 8;

std::optional<std::string> name_in(const oci::Manifest& index, const oci::Digest& child) {
  const auto named = [&index](const oci::Digest& digest) {
    return std::find_if(index.manifests.begin(), index.manifests.end(),
                        [&](const oci::Descriptor& one) { return one.digest == digest; });
  };
  auto found = named(child);
  if (found == index.manifests.end()) return std::nullopt;
  std::string name;
  if (found->attests) {
    name = "attestation of ";
    found = named(*found->attests);
  }
  const bool has_platform = found != index.manifests.end() && found->platform;
  if (!has_platform) return std::nullopt;
  return name + to_string(*found->platform);
}

}  // namespace

void RecentIndexes::note(const events::Subject& image, const oci::Digest& digest) {
  const auto known = std::find_if(recent_.begin(), recent_.end(), [&](const Index& index) {
    return index.digest == digest && index.repository.repository == image.repository &&
           index.repository.upstream == image.upstream;
  });
  if (known != recent_.end()) {
    std::rotate(recent_.begin(), known, known + 1);
    return;
  }
  if (recent_.size() >= kMostIndexes) recent_.pop_back();
  recent_.push_front({{std::string(image.upstream), std::string(image.repository)}, digest});
}

std::optional<std::string> RecentIndexes::find_name(ContentLookup& content,
                                                    const RepositoryKey& repository,
                                                    const oci::Digest& child) const {
  int reads = 0;
  for (const Index& index : recent_) {
    if (index.repository != repository) continue;
    if (++reads > kMostReads) break;
    const auto stored = content.find_manifest(index.digest);
    if (!stored) continue;
    const auto manifest = oci::parse_manifest(*stored->bytes, stored->media_type);
    if (!manifest.ok()) continue;
    if (auto name = name_in(*manifest, child)) return name;
  }
  return std::nullopt;
}

}  // namespace layby::cache
