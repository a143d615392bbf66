// SPDX-License-Identifier: Apache-2.0
//
// Cleans up partial files. A start settles the files of an interrupted publishing. A partial file
// that no fill resumes is deleted, unless a writer has the file open.

#ifndef LAYBY_STORE_PARTIALS_H_
#define LAYBY_STORE_PARTIALS_H_

#include <functional>
#include <memory>
#include <vector>

#include "layby/base/clock.h"
#include "store/core.h"
#include "store/digest_lanes.h"

namespace layby::store {

// Deletes the partial files of blobs in the trash. Settles each file with a name in partial/ and in
// blobs/, and counts the bytes of the partial files that remain. Returns the partial files that
// were last written earlier than `before`. Blocks, so it is for start-up only.
std::vector<oci::Digest> settle_partials(Core& core, WallTime before);

// Returns the partial files that were last written earlier than `before`. Blocks.
std::vector<oci::Digest> list_old_partials(const Core& core, WallTime before);

// Deletes the partial files of `digests`, except files that a writer has open or that were written
// at the time `before` or later. Calls `then` on the loop thread after the last file, or inside
// this call if `digests` is empty. Called on the loop thread.
void delete_old_partials(const std::shared_ptr<Core>& core, DigestLanes& lanes,
                         const std::vector<oci::Digest>& digests, WallTime before,
                         std::function<void()> then);

}  // namespace layby::store

#endif  // LAYBY_STORE_PARTIALS_H_
