// SPDX-License-Identifier: Apache-2.0
//
// There are few partial files: one for each fill that is or was under way. A large file may take
// long to delete, so a helper thread deletes the file. The helper thread works in the digest's
// lane, so that no writer resumes the file at the same time.

#include "store/partials.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <utility>

#include "layby/base/log.h"
#include "store/trash.h"

namespace layby::store {
namespace {

// If the lookup fails, the blob counts as indexed, so that the published file stays; only the
// partial name may be removed.
bool is_indexed(Core& core, const oci::Digest& digest) {
  Result<ReadTxn> txn = core.commits->index().snapshot();
  if (!txn) return true;
  const auto record = txn->find_blob(digest);
  return !record || record->has_value();
}

// Settles a file with a partial and a published name. A process that is killed after it links the
// file and before it removes the partial name leaves such a file. Removes the partial name if the
// index knows the blob, or else the published name. A rebuild finds the published name, so an index
// that was made anew counts as knowing the blob. Returns whether the partial file is gone.
bool settle_linked(Core& core, const oci::Digest& digest) {
  const bool known = core.commits->index().needs_rebuild() || is_indexed(core, digest);
  const Status removed =
      known ? core.files.remove_partial(digest) : core.files.remove_published(digest);
  if (!removed) log::warn("{}", removed.error().message);
  return known && removed.ok();
}

void delete_if_old(Core& core, const DigestLane& lane, const oci::Digest& digest, WallTime before) {
  if (lane.partial_users > 0) return;
  const bool indexed = is_indexed(core, digest);
  const Status removed = core.files.remove_partial_older_than(digest, before, indexed);
  if (!removed) log::warn("{}", removed.error().message);
}

}  // namespace

std::vector<oci::Digest> settle_partials(Core& core, WallTime before) {
  const std::vector<oci::Digest> trash = read_trash(core);
  std::vector<oci::Digest> old;
  for (const PartialFile& partial : core.files.list_partials(before)) {
    core.files.partial_bytes() += partial.size_bytes;
    // When the blob's entry in the trash is erased, its grants are erased too. So a private partial
    // file must be deleted before.
    if (std::find(trash.begin(), trash.end(), partial.digest) != trash.end()) {
      const Status removed = core.files.remove_partial(partial.digest);
      if (!removed) log::warn("{}", removed.error().message);
      continue;
    }
    if (partial.linked && settle_linked(core, partial.digest)) continue;
    if (partial.written_at < before) old.push_back(partial.digest);
  }
  return old;
}

std::vector<oci::Digest> list_old_partials(const Core& core, WallTime before) {
  std::vector<oci::Digest> old;
  for (const PartialFile& partial : core.files.list_partials(before)) {
    if (partial.written_at < before) old.push_back(partial.digest);
  }
  return old;
}

void delete_old_partials(const std::shared_ptr<Core>& core, DigestLanes& lanes,
                         const std::vector<oci::Digest>& digests, WallTime before,
                         std::function<void()> then) {
  if (digests.empty()) return then();
  const auto left = std::make_shared<std::size_t>(digests.size());
  const auto all_done = std::make_shared<std::function<void()>>(std::move(then));
  for (const oci::Digest& digest : digests) {
    const std::shared_ptr<DigestLane> lane = lanes.get(digest);
    lane->lane.submit([core, lane, digest, before, left, all_done = all_done]() mutable {
      delete_if_old(*core, *lane, digest, before);
      // `all_done` is moved, so that its objects are destroyed on the loop thread, not on this
      // thread.
      core->loop.post([left, all_done = std::move(all_done)] {
        assert(*left > 0);
        if (--*left == 0) (*all_done)();
      });
    });
  }
}

}  // namespace layby::store
