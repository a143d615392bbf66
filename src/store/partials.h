// SPDX-License-Identifier: Apache-2.0
//
// Partial files that are left over: the start settles the files of an interrupted publishing,
// and files that no fill resumes are deleted. A file that a writer has open stays.

#ifndef LAYBY_STORE_PARTIALS_H_
#define LAYBY_STORE_PARTIALS_H_

#include <functional>
#include <memory>
#include <vector>

#include "layby/base/clock.h"
#include "store/core.h"
#include "store/digest_lanes.h"

namespace layby::store {

// Settles each file that has both names, and counts the bytes of the other partial files.
// Returns the partial files that were last written before `before`. Blocks; for start-up.
std::vector<oci::Digest> settle_partials(Core& core, WallTime before);

// The partial files that were last written before `before`. Blocks.
std::vector<oci::Digest> list_old_partials(const Core& core, WallTime before);

// Deletes those of the partial files that no writer has and nobody has written to since
// `before`. Calls `then` on the loop after the last of them; inside the call if `digests` is
// empty. Loop thread.
void delete_old_partials(const std::shared_ptr<Core>& core, DigestLanes& lanes,
                         const std::vector<oci::Digest>& digests, WallTime before,
                         std::function<void()> then);

}  // namespace layby::store

#endif  // LAYBY_STORE_PARTIALS_H_
