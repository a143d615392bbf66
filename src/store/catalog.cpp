// SPDX-License-Identifier: Apache-2.0
//
// A stored blob's size is taken from the index; a missing blob's size is taken from the
// descriptor in the manifest. A foreign layer that isn't stored doesn't count as missing.
// Invariant: every blob of a listed image is in blobs_ and has at least one user.

#include "store/catalog.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <set>
#include <utility>

#include "store/reach.h"

namespace layby::store {
namespace {

struct Blob {
  std::uint64_t size_bytes = 0;
  bool stored = false;
  int users = 0;  // How many images use the blob.
};

class Listing {
 public:
  Listing(const Txn& txn, const TouchMap& touches) : txn_(txn), touches_(touches) {}

  Status add(const cache::TagKey& key, const cache::StoredTag& tag);
  Status add_pins();
  // Adds the stored images that no image listed so far has.
  Status add_untagged();
  cache::Catalog finish(const Counts& counts);

 private:
  struct Entry {
    cache::CachedImage image;
    std::set<oci::Digest> blobs;
  };

  Status add_pin(const cache::TagKey& key);
  Status add_digest(const cache::TagKey& key, const oci::Digest& digest);
  Result<std::set<oci::Digest>> untagged_roots() const;
  Status add_platform(const ReachedManifest& reached, Entry& entry);
  Result<Blob*> blob(const oci::Descriptor& named);
  Status find_used(cache::CachedImage& image) const;

  const Txn& txn_;
  const TouchMap& touches_;
  std::vector<Entry> entries_;
  std::set<cache::TagKey> names_;  // The tags of the images in entries_.
  std::set<oci::Digest> reached_;  // The stored manifests of the images in entries_.
  std::vector<cache::TagKey> waiting_pins_;
  std::map<oci::Digest, Blob> blobs_;
};

Result<Blob*> Listing::blob(const oci::Descriptor& named) {
  if (const auto known = blobs_.find(named.digest); known != blobs_.end()) return &known->second;
  const auto record = txn_.find_blob(named.digest);
  if (!record && record.error().code != ErrorCode::kCorrupt) return record.error();
  const bool stored = record && record->has_value();
  Blob found{stored ? (*record)->size_bytes : named.size_bytes, stored, 0};
  return &blobs_.emplace(named.digest, found).first->second;
}

Status Listing::add_platform(const ReachedManifest& reached, Entry& entry) {
  cache::CachedPlatform platform{reached.platform ? oci::to_string(*reached.platform) : "",
                                 reached.digest, 0, 0};
  std::vector<oci::Descriptor> named = reached.manifest.layers;
  if (reached.manifest.config) named.push_back(*reached.manifest.config);
  std::set<oci::Digest> seen;
  for (const oci::Descriptor& one : named) {
    if (!seen.insert(one.digest).second) continue;
    Result<Blob*> found = blob(one);
    if (!found) return std::move(found).error();
    Blob& blob = **found;
    if (one.is_foreign && !blob.stored) continue;
    (blob.stored ? platform.bytes : platform.missing_bytes) += blob.size_bytes;
    if (!entry.blobs.insert(one.digest).second) continue;
    ++blob.users;
    (blob.stored ? entry.image.bytes : entry.image.missing_bytes) += blob.size_bytes;
  }
  entry.image.platforms.push_back(std::move(platform));
  return {};
}

Status Listing::find_used(cache::CachedImage& image) const {
  const Content root{ContentKind::kManifest, image.digest};
  const auto usage = txn_.find_usage(root);
  if (!usage && usage.error().code != ErrorCode::kCorrupt) return usage.error();
  const auto stored = txn_.find_stored_at(image.digest);
  const bool known = usage && usage->has_value() && stored && stored->has_value();
  const bool used = known && ((*usage)->hits > 1 || (*usage)->used_at > **stored);
  if (used) image.used_at = (*usage)->used_at;
  if (const auto touch = touches_.find(root); touch != touches_.end()) {
    image.used_at = touch->second.last;
  }
  return {};
}

// Skips a tag whose manifest isn't stored.
Status Listing::add(const cache::TagKey& key, const cache::StoredTag& tag) {
  const Result<bool> pinned = txn_.is_pinned(key);
  if (!pinned) return pinned.error();
  const Result<bool> listed = txn_.is_list_pinned(key);
  if (!listed) return listed.error();
  Entry entry{{key, tag.digest, tag.checked_at, std::nullopt, *pinned, *listed, 0, 0, 0, {}}, {}};
  Status added;
  bool there = false;
  Status walked = each_reached(txn_, tag.digest, [&](const ReachedManifest& reached) {
    there = true;
    reached_.insert(reached.digest);
    if (added.ok() && !oci::is_index(reached.manifest.media_type)) {
      added = add_platform(reached, entry);
    }
  });
  if (!walked) return walked;
  if (!added) return added;
  if (!there) return {};
  if (Status used = find_used(entry.image); !used) return used;
  names_.insert(key);
  entries_.push_back(std::move(entry));
  return {};
}

// If the tag of a pin is a digest and its manifest is stored, lists the pin as an image.
Status Listing::add_pin(const cache::TagKey& key) {
  const auto digest = oci::Digest::parse(key.tag);
  return !digest || names_.contains(key) ? Status() : add_digest(key, *digest);
}

Status Listing::add_digest(const cache::TagKey& key, const oci::Digest& digest) {
  const auto usage = txn_.find_usage({ContentKind::kManifest, digest});
  const bool known = usage && usage->has_value();
  return add(key, {digest, known ? (*usage)->used_at : WallTime()});
}

// The stored manifests that aren't in reached_ and that no other of these manifests names.
Result<std::set<oci::Digest>> Listing::untagged_roots() const {
  std::set<oci::Digest> roots;
  std::vector<oci::Digest> indexes;
  const Status read =
      txn_.each_manifest([&](const oci::Digest& digest, const ManifestRecord& record) {
        if (reached_.contains(digest)) return true;
        roots.insert(digest);
        if (oci::is_index(record.media_type)) indexes.push_back(digest);
        return true;
      });
  if (!read) return read.error();
  for (const oci::Digest& index : indexes) {
    const Status walked = each_reached(txn_, index, [&](const ReachedManifest& reached) {
      if (reached.digest != index) roots.erase(reached.digest);
    });
    if (!walked) return walked.error();
  }
  return roots;
}

Status Listing::add_untagged() {
  const auto roots = untagged_roots();
  if (!roots) return roots.error();
  for (const oci::Digest& root : *roots) {
    const auto from = txn_.find_origin(root);
    if (!from && from.error().code != ErrorCode::kCorrupt) return from.error();
    if (!from || !from->has_value()) continue;
    Status added = add_digest({(*from)->upstream, (*from)->repository, root.str()}, root);
    if (!added) return added;
  }
  return {};
}

Status Listing::add_pins() {
  Status added;
  Status read = txn_.each_list_pin([&](const cache::TagKey& key) {
    added = add_pin(key);
    return added.ok();
  });
  if (!read || !added) return read ? added : read;
  read = txn_.each_pin([&](const cache::TagKey& key) {
    added = add_pin(key);
    if (!names_.contains(key)) waiting_pins_.push_back(key);
    return added.ok();
  });
  return read ? added : read;
}

cache::Catalog Listing::finish(const Counts& counts) {
  cache::Catalog catalog;
  catalog.blob_bytes = counts.totals.blob_bytes;
  std::uint64_t tagged = 0;
  for (const auto& [digest, blob] : blobs_) tagged += blob.stored ? blob.size_bytes : 0;
  catalog.untagged_bytes = catalog.blob_bytes - std::min(catalog.blob_bytes, tagged);
  for (Entry& entry : entries_) {
    for (const oci::Digest& digest : entry.blobs) {
      const Blob& blob = blobs_.at(digest);
      assert(blob.users > 0);
      if (blob.stored && blob.users > 1) entry.image.shared_bytes += blob.size_bytes;
    }
    catalog.images.push_back(std::move(entry.image));
  }
  std::sort(catalog.images.begin(), catalog.images.end(),
            [](const auto& a, const auto& b) { return a.tag < b.tag; });
  catalog.waiting_pins = std::move(waiting_pins_);
  return catalog;
}

}  // namespace

Result<cache::Catalog> read_catalog(const Txn& txn, const Counts& counts, const TouchMap& touches) {
  Listing listing(txn, touches);
  Status added;
  const Status read = txn.each_tag([&](const cache::TagKey& key, const cache::StoredTag& tag) {
    added = listing.add(key, tag);
    return added.ok();
  });
  if (!read) return read.error();
  if (!added) return added.error();
  if (Status pins = listing.add_pins(); !pins) return pins.error();
  if (Status others = listing.add_untagged(); !others) return others.error();
  return listing.finish(counts);
}

}  // namespace layby::store
