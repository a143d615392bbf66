// SPDX-License-Identifier: Apache-2.0
//
// The table `trash` of the index notes blobs whose files are to be deleted. A note stays until the
// deletion is durable, so that the next start finds every file that a crash left.

#ifndef LAYBY_STORE_TRASH_H_
#define LAYBY_STORE_TRASH_H_

#include <memory>
#include <vector>

#include "store/core.h"
#include "store/digest_lanes.h"

namespace layby::store {

// Returns the noted blobs; none if the index can't be read. Called on the loop thread.
std::vector<oci::Digest> read_trash(Core& core);

// Makes the deletions of the files durable, then erases the notes and the grants of `digests`.
// Grants that a digest's lane still has are written again. Called on the loop thread.
void forget_trash(const std::shared_ptr<Core>& core, event::Workers& workers, DigestLanes& lanes,
                  std::vector<oci::Digest> digests);

}  // namespace layby::store

#endif  // LAYBY_STORE_TRASH_H_
