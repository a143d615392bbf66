// SPDX-License-Identifier: Apache-2.0
//
// Indexes may name themselves or each other, so each manifest is visited once.

#include "store/reach.h"

#include <utility>
#include <vector>

namespace layby::store {
namespace {

// The specification allows nested indexes, but they are rare. Manifests below this depth are
// ignored.
constexpr int kMaxDepth = 4;

struct Walk {
  const Txn& txn;
  const std::function<void(const ReachedManifest&)>& visit;
  std::set<oci::Digest> seen;

  Status at(const oci::Digest& digest, std::optional<oci::Platform> platform, int depth) {
    if (depth > kMaxDepth || !seen.insert(digest).second) return {};
    const auto stored = txn.find_manifest(digest);
    if (!stored && stored.error().code != ErrorCode::kCorrupt) return stored.error();
    if (!stored || !stored->has_value()) return {};
    auto parsed = oci::parse_manifest(*(*stored)->bytes, (*stored)->media_type);
    if (!parsed) return {};
    const ReachedManifest reached{digest, *std::move(parsed), std::move(platform)};
    visit(reached);
    for (const oci::Descriptor& child : reached.manifest.manifests) {
      if (Status below = at(child.digest, child.platform, depth + 1); !below) return below;
    }
    return {};
  }
};

}  // namespace

Status each_reached(const Txn& txn, const oci::Digest& root,
                    const std::function<void(const ReachedManifest&)>& visit) {
  return Walk{txn, visit, {}}.at(root, std::nullopt, 0);
}

Status add_reach(const Txn& txn, const oci::Digest& root, std::set<Content>& into) {
  into.insert({ContentKind::kManifest, root});
  return each_reached(txn, root, [&into](const ReachedManifest& reached) {
    into.insert({ContentKind::kManifest, reached.digest});
    if (reached.manifest.config) into.insert({ContentKind::kBlob, reached.manifest.config->digest});
    for (const oci::Descriptor& layer : reached.manifest.layers) {
      into.insert({ContentKind::kBlob, layer.digest});
    }
  });
}

Result<std::optional<oci::Digest>> root_of(const Txn& txn, const cache::TagKey& key) {
  if (auto digest = oci::Digest::parse(key.tag)) return digest;
  Result<std::optional<cache::StoredTag>> tag = txn.find_tag(key);
  if (!tag && tag.error().code != ErrorCode::kCorrupt) return std::move(tag).error();
  if (!tag || !tag->has_value()) return std::optional<oci::Digest>();
  return std::optional((*tag)->digest);
}

Result<std::set<Content>> pinned_content(const Txn& txn) {
  std::vector<cache::TagKey> pins;
  const auto add = [&pins](const cache::TagKey& key) {
    pins.push_back(key);
    return true;
  };
  if (Status read = txn.each_pin(add); !read) return read.error();
  if (Status read = txn.each_list_pin(add); !read) return read.error();
  std::set<Content> content;
  for (const cache::TagKey& pin : pins) {
    const auto root = root_of(txn, pin);
    if (!root) return root.error();
    if (!root->has_value()) continue;
    if (Status added = add_reach(txn, **root, content); !added) return added.error();
  }
  return content;
}

Result<std::optional<cache::TagKey>> find_user(const Txn& txn, const oci::Digest& blob) {
  std::optional<cache::TagKey> user;
  Status walked;
  const Status read = txn.each_tag([&](const cache::TagKey& key, const cache::StoredTag& tag) {
    std::set<Content> content;
    walked = add_reach(txn, tag.digest, content);
    if (content.contains({ContentKind::kBlob, blob})) user = key;
    return walked.ok() && !user;
  });
  if (!read) return read.error();
  if (!walked) return walked.error();
  return user;
}

}  // namespace layby::store
