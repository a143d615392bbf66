// SPDX-License-Identifier: Apache-2.0
//
// The index's notes of blobs whose files are to be deleted. A note outlives its file until
// the deletion is durable, so that the next start finds every file that a crash left.

#ifndef LAYBY_STORE_TRASH_H_
#define LAYBY_STORE_TRASH_H_

#include <memory>
#include <vector>

#include "store/core.h"
#include "store/digest_lanes.h"

namespace layby::store {

// The noted blobs; none if the index can't be read. Within one lookup of the loop thread.
std::vector<oci::Digest> read_trash(Core& core);

// Erases the notes of deleted files, and their grants, after the deletions are durable.
// Grants that were given meanwhile are put again. Loop thread.
void forget_trash(const std::shared_ptr<Core>& core, event::Workers& workers, DigestLanes& lanes,
                  std::vector<oci::Digest> digests);

}  // namespace layby::store

#endif  // LAYBY_STORE_TRASH_H_
