// SPDX-License-Identifier: Apache-2.0
//
// Reads the table of ranks from its lowest end, as far as needed, and the manifests of the
// pinned images.

#include "store/eviction.h"

#include <cassert>
#include <utility>

#include "store/reach.h"

namespace layby::store {
namespace {

struct Candidate {
  Ranked ranked;
  std::optional<UsageRecord> usage;  // nullopt: no usage record names this rank.
};

// The size in the record of the blob or manifest; nullopt when this record is missing or damaged.
std::optional<std::uint64_t> recorded_size(const WriteTxn& txn, const Content& content) {
  if (content.kind == ContentKind::kManifest) {
    const auto manifest = txn.find_manifest(content.digest);
    if (!manifest || !manifest->has_value()) return std::nullopt;
    return (*manifest)->bytes->size();
  }
  const auto blob = txn.find_blob(content.digest);
  if (!blob || !blob->has_value()) return std::nullopt;
  return (*blob)->size_bytes;
}

// The content's usage. Content with a damaged usage record counts as last used in 1970 and gets the
// rank `rank`, so that the content can be evicted.
Result<std::optional<UsageRecord>> find_usage(const WriteTxn& txn, const Content& content,
                                              std::uint64_t rank) {
  Result<std::optional<UsageRecord>> usage = txn.find_usage(content);
  if (usage || usage.error().code != ErrorCode::kCorrupt) return usage;
  const std::optional<std::uint64_t> size_bytes = recorded_size(txn, content);
  if (!size_bytes) return std::optional<UsageRecord>();
  return std::optional(UsageRecord{*size_bytes, WallTime(), 1, rank});
}

Status evict_one(WriteTxn& txn, const Content& content, std::uint64_t size_bytes,
                 Evicted& evicted) {
  if (content.kind == ContentKind::kManifest) {
    ++evicted.manifests;
    return txn.erase_manifest(content.digest);
  }
  evicted.blobs.push_back(content.digest);
  evicted.blob_bytes += size_bytes;
  return txn.trash_blob(content.digest);
}

// Chooses the lowest ranks that may be evicted, until their content has `order.bytes`. Recently
// used content is chosen only if `used_too` is set. Sets `all` if every rank was read and the
// chosen content still has fewer bytes than `order.bytes`.
Result<std::vector<Candidate>> choose(const WriteTxn& txn, const EvictionOrder& order,
                                      const std::set<Content>& pinned, bool used_too, bool& all) {
  std::vector<Candidate> chosen;
  std::uint64_t bytes = 0;
  Status looked;
  all = true;
  const Status read = txn.each_ranked([&](const Ranked& ranked) {
    if (bytes >= order.bytes || chosen.size() >= kEvictionStep) {
      all = false;
      return false;
    }
    if (pinned.contains(ranked.content) || order.spare.contains(ranked.content.digest)) return true;
    Result<std::optional<UsageRecord>> usage = find_usage(txn, ranked.content, ranked.rank);
    if (!usage) {
      looked = usage.error();
      return false;
    }
    const bool real = usage->has_value() && (*usage)->rank == ranked.rank;
    const auto keep_since = order.keep.used_since;
    if (real && keep_since && (*usage)->used_at > *keep_since) return true;
    if (real && !used_too && (*usage)->used_at > order.used_since) return true;
    if (real) bytes += (*usage)->size_bytes;
    chosen.push_back({ranked, real ? *usage : std::nullopt});
    return true;
  });
  if (!read) return read.error();
  if (!looked) return looked.error();
  if (bytes >= order.bytes) all = false;
  assert(chosen.size() <= kEvictionStep);
  return chosen;
}

Status check_unpinned(const WriteTxn& txn, const cache::TagKey& key) {
  const Result<bool> pinned = txn.is_pinned(key);
  if (!pinned) return pinned.error();
  if (*pinned) return Error{ErrorCode::kDenied, "it is pinned; unpin it first"};
  const Result<bool> listed = txn.is_list_pinned(key);
  if (!listed) return listed.error();
  if (!*listed) return {};
  return Error{ErrorCode::kDenied,
               "it is pinned by the prefetch list; take it out of the list first"};
}

// The images of all tags, and then the stored manifests that aren't in `mine`, since an image
// without a tag is an image too.
Result<std::vector<oci::Digest>> other_images(const Txn& txn, const std::set<Content>& mine) {
  std::vector<oci::Digest> others;
  Status read = txn.each_tag([&](const cache::TagKey&, const cache::StoredTag& tag) {
    others.push_back(tag.digest);
    return true;
  });
  if (!read) return read.error();
  read = txn.each_manifest([&](const oci::Digest& digest, const ManifestRecord&) {
    if (!mine.contains({ContentKind::kManifest, digest})) others.push_back(digest);
    return true;
  });
  if (!read) return read.error();
  return others;
}

}  // namespace

Result<Evicted> evict_lowest(WriteTxn& txn, const EvictionOrder& order) {
  Result<std::set<Content>> pinned = pinned_content(txn);
  if (!pinned) return pinned.error();
  for (const oci::Digest& image : order.keep.images) {
    if (Status added = add_reach(txn, image, *pinned); !added) return added.error();
  }
  Evicted evicted;
  auto chosen = choose(txn, order, *pinned, false, evicted.all);
  if (chosen && chosen->empty()) {
    chosen = choose(txn, order, *pinned, true, evicted.all);
  } else {
    evicted.all = false;
  }
  if (!chosen) return std::move(chosen).error();
  for (const Candidate& candidate : *chosen) {
    const Content& content = candidate.ranked.content;
    if (Status gone = txn.take_rank(candidate.ranked.rank, content); !gone) return gone.error();
    if (!candidate.usage) continue;
    assert(candidate.usage->rank == candidate.ranked.rank);
    Status gone = evict_one(txn, content, candidate.usage->size_bytes, evicted);
    if (!gone) return gone.error();
    txn.advance_clock(candidate.ranked.rank);
  }
  return evicted;
}

Result<Evicted> evict_image(WriteTxn& txn, const cache::TagKey& key) {
  if (Status free = check_unpinned(txn, key); !free) return free.error();
  const auto root = root_of(txn, key);
  if (!root) return root.error();
  std::set<Content> needed;
  std::set<Content> mine;
  const Error unknown{ErrorCode::kNotFound, "it is not cached; see `layby ls`"};
  if (!root->has_value()) return unknown;
  const auto named = txn.find_tag(key);
  const auto stored = txn.find_usage({ContentKind::kManifest, **root});
  if (named && !named->has_value() && stored && !stored->has_value()) return unknown;
  if (Status added = add_reach(txn, **root, mine); !added) return added.error();
  if (Status gone = txn.erase_tag(key); !gone) return gone.error();
  const auto others = other_images(txn, mine);
  if (!others) return others.error();
  for (const oci::Digest& other : *others) {
    if (needed.contains({ContentKind::kManifest, other})) continue;
    if (Status added = add_reach(txn, other, needed); !added) return added.error();
  }
  const Result<std::set<Content>> kept = pinned_content(txn);
  if (!kept) return kept.error();
  Evicted evicted;
  for (const Content& content : mine) {
    if (needed.contains(content) || kept->contains(content)) continue;
    const auto usage = find_usage(txn, content, 0);
    if (!usage || !usage->has_value()) continue;
    Status gone = evict_one(txn, content, (*usage)->size_bytes, evicted);
    if (!gone) return gone.error();
  }
  return evicted;
}

}  // namespace layby::store
