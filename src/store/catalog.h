// SPDX-License-Identifier: Apache-2.0
//
// Lists the cached images from one transaction. read_catalog() reads all tags and parses their
// manifests, so only helper threads call it.

#ifndef LAYBY_STORE_CATALOG_H_
#define LAYBY_STORE_CATALOG_H_

#include "layby/cache/operator_store.h"
#include "store/touches.h"

namespace layby::store {

// `touches` are the uses that aren't written to the index yet.
Result<cache::Catalog> read_catalog(const Txn& txn, const Counts& counts, const TouchMap& touches);

}  // namespace layby::store

#endif  // LAYBY_STORE_CATALOG_H_
