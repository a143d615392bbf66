// SPDX-License-Identifier: Apache-2.0
//
// Answers questions about whole images. A helper thread reads each answer from one snapshot of the
// index.

#include <utility>

#include "layby/base/lifetime.h"
#include "layby/store/disk_store.h"
#include "store/core.h"

namespace layby::store {
namespace {

// Looks content up in one transaction. status() tells whether the index could be read. A damaged
// record counts as missing content, so that the content is fetched again and its record is written
// anew.
class SnapshotLookup final : public cache::ContentLookup {
 public:
  explicit SnapshotLookup(const ReadTxn& txn) : txn_(txn) {}

  std::optional<cache::StoredManifest> find_manifest(const oci::Digest& digest) override {
    return note(txn_.find_manifest(digest));
  }
  std::optional<std::uint64_t> find_blob(const oci::Digest& digest) const override {
    const std::optional<BlobRecord> record = note(txn_.find_blob(digest));
    return record ? std::optional(record->size_bytes) : std::nullopt;
  }
  const Status& status() const { return status_; }

 private:
  template <typename T>
  std::optional<T> note(Result<std::optional<T>> found) const {
    if (found) return *std::move(found);
    if (status_ && found.error().code != ErrorCode::kCorrupt) status_ = std::move(found).error();
    return std::nullopt;
  }

  const ReadTxn& txn_;
  mutable Status status_;
};

Result<cache::ImageParts> read_parts(Index& index, const oci::Digest& root,
                                     const cache::PlatformChoice& choice) {
  const Result<ReadTxn> txn = index.snapshot();
  if (!txn) return txn.error();
  SnapshotLookup lookup(*txn);
  cache::ImageParts parts = cache::image_parts(lookup, root, choice);
  if (!lookup.status()) return lookup.status().error();
  return parts;
}

}  // namespace

Handle DiskStore::find_parts(const oci::Digest& root, const cache::PlatformChoice& choice,
                             std::function<void(Result<cache::ImageParts>)> done) {
  auto asker = std::make_unique<Droppable<Result<cache::ImageParts>>>(std::move(done));
  workers_.submit_long([core = core_, root, choice, give = life_.guard(asker->call())]() mutable {
    auto parts = read_parts(core->commits->index(), root, choice);
    // Moved, not copied: the objects that `give` holds must be destroyed on the loop thread.
    core->loop.post([parts = std::move(parts), give = std::move(give)]() mutable { give(parts); });
  });
  return asker;
}

}  // namespace layby::store
