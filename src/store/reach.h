// SPDX-License-Identifier: Apache-2.0
//
// Finds the content of an image: the index, the manifests of its platforms, their configs and
// layers. A manifest that isn't stored is left out with everything below it. Most of these
// functions parse manifests, so only helper threads call them.

#ifndef LAYBY_STORE_REACH_H_
#define LAYBY_STORE_REACH_H_

#include <functional>
#include <set>

#include "layby/oci/manifest.h"
#include "store/index.h"

namespace layby::store {

// A stored and parsed manifest. `platform` comes from the index that names the manifest.
struct ReachedManifest {
  oci::Digest digest;
  oci::Manifest manifest;
  std::optional<oci::Platform> platform;
};

// Visits the manifest `root` and the stored manifests below `root` once each. An index is visited
// before the manifests that the index names. Manifests that can't be parsed are skipped.
Status each_reached(const Txn& txn, const oci::Digest& root,
                    const std::function<void(const ReachedManifest&)>& visit);

// Adds `root` as a manifest, the stored manifests below `root`, and all blobs that these manifests
// name, stored or not.
Status add_reach(const Txn& txn, const oci::Digest& root, std::set<Content>& into);

// The digest that a tag points to, or the digest itself when `key.tag` is a digest.
Result<std::optional<oci::Digest>> root_of(const Txn& txn, const cache::TagKey& key);

// All content of images that are pinned by hand or by the list.
Result<std::set<Content>> pinned_content(const Txn& txn);

// A tag whose image has `blob`; nullopt if there is none.
Result<std::optional<cache::TagKey>> find_user(const Txn& txn, const oci::Digest& blob);

}  // namespace layby::store

#endif  // LAYBY_STORE_REACH_H_
