// SPDX-License-Identifier: Apache-2.0
//
// Which content an image consists of, as far as it is cached: its index, the manifests
// of its platforms, their configs and layers. Reads and parses manifests, so it is for
// helper threads.

#ifndef LAYBY_STORE_REACH_H_
#define LAYBY_STORE_REACH_H_

#include <functional>
#include <set>

#include "layby/oci/manifest.h"
#include "store/index.h"

namespace layby::store {

// A manifest that is stored, as it was read; `platform` is what the index above it says.
struct ReachedManifest {
  oci::Digest digest;
  oci::Manifest manifest;
  std::optional<oci::Platform> platform;
};

// Visits the manifest `root` and those below it that are stored, each once, the one
// above first. One that can't be parsed is left out.
Status each_reached(const Txn& txn, const oci::Digest& root,
                    const std::function<void(const ReachedManifest&)>& visit);

// Adds all content that `root` names, the stored manifests and their blobs, stored or
// not. A digest that isn't a tag's counts as a manifest.
Status add_reach(const Txn& txn, const oci::Digest& root, std::set<Content>& into);

// The digest that a tag, or a reference by digest, stands for.
Result<std::optional<oci::Digest>> root_of(const Txn& txn, const cache::TagKey& key);

// Everything that images need which are pinned, by hand or by the list.
Result<std::set<Content>> pinned_content(const Txn& txn);

// A tag whose image has this blob.
Result<std::optional<cache::TagKey>> find_user(const Txn& txn, const oci::Digest& blob);

}  // namespace layby::store

#endif  // LAYBY_STORE_REACH_H_
