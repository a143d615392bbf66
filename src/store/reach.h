// SPDX-License-Identifier: Apache-2.0
//
// Which content an image consists of, as far as its manifests are stored: its index, the
// manifests of its platforms, their configs and layers. Reads and parses manifests, so only
// helper threads call it.

#ifndef LAYBY_STORE_REACH_H_
#define LAYBY_STORE_REACH_H_

#include <functional>
#include <set>

#include "layby/oci/manifest.h"
#include "store/index.h"

namespace layby::store {

// A stored manifest, parsed; `platform` comes from the index that names the manifest.
struct ReachedManifest {
  oci::Digest digest;
  oci::Manifest manifest;
  std::optional<oci::Platform> platform;
};

// Visits the manifest `root` and the stored manifests below it, each once, an index before
// the manifests that it names. Manifests that can't be parsed are left out.
Status each_reached(const Txn& txn, const oci::Digest& root,
                    const std::function<void(const ReachedManifest&)>& visit);

// Adds `root` as a manifest, the stored manifests below it, and all blobs that these
// manifests name, stored or not.
Status add_reach(const Txn& txn, const oci::Digest& root, std::set<Content>& into);

// The digest that a tag points to, or the digest itself when `key.tag` is a digest.
Result<std::optional<oci::Digest>> root_of(const Txn& txn, const cache::TagKey& key);

// All content of pinned images, pinned by hand or by the list.
Result<std::set<Content>> pinned_content(const Txn& txn);

// A tag whose image has this blob, if any.
Result<std::optional<cache::TagKey>> find_user(const Txn& txn, const oci::Digest& blob);

}  // namespace layby::store

#endif  // LAYBY_STORE_REACH_H_
