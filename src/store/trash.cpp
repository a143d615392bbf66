// SPDX-License-Identifier: Apache-2.0
//
// If the deletions can't be made durable, the notes of trash stay for the next start.

#include "store/trash.h"

#include <cassert>
#include <cstddef>
#include <utility>

#include "layby/base/log.h"

namespace layby::store {
namespace {

using Lanes = std::vector<std::shared_ptr<DigestLane>>;

Status erase_notes(WriteTxn& txn, const std::vector<oci::Digest>& digests, const Lanes& lanes) {
  assert(digests.size() == lanes.size());
  for (std::size_t i = 0; i < digests.size(); ++i) {
    if (Status cleared = txn.clear_trash(digests[i]); !cleared) return cleared;
    if (Status put = lanes[i]->grants.put(txn, digests[i]); !put) return put;
  }
  return {};
}

}  // namespace

std::vector<oci::Digest> read_trash(Core& core) {
  std::vector<oci::Digest> trash;
  Result<ReadTxn> txn = core.commits->index().read();
  if (!txn) return {};
  const Status read = txn->each_trash([&trash](const oci::Digest& digest) {
    trash.push_back(digest);
    return true;
  });
  return read.ok() ? trash : std::vector<oci::Digest>();
}

void forget_trash(const std::shared_ptr<Core>& core, event::Workers& workers, DigestLanes& lanes,
                  std::vector<oci::Digest> digests) {
  if (digests.empty()) return;
  Lanes held;
  held.reserve(digests.size());
  for (const oci::Digest& digest : digests) held.push_back(lanes.get(digest));
  workers.submit_long([core, digests = std::move(digests), held = std::move(held)] {
    if (Status synced = core->files.sync_removals(digests); !synced) {
      return log::error("{}", synced.error().message);
    }
    core->commits->add([digests, held](WriteTxn& txn) { return erase_notes(txn, digests, held); },
                       nullptr);
  });
}

}  // namespace layby::store
