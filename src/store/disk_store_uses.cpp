// SPDX-License-Identifier: Apache-2.0
//
// Notes the uses of content, finds used content, and evicts the content with the lowest ranks.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>

#include "layby/base/lifetime.h"
#include "layby/store/disk_store.h"
#include "store/core.h"
#include "store/kept_files.h"
#include "store/records.h"
#include "store/removals.h"
#include "store/touches.h"

namespace layby::store {
namespace {

// The time for which uses of content stay in RAM. Each write of uses wears the disk; the loss of
// unwritten uses only changes the order of eviction.
constexpr std::chrono::hours kTouchesStay{6};

ServedTotals served_now(const Counters& counters) {
  return {counters.saved_bytes, counters.prefetched_bytes};
}

}  // namespace

void DiskStore::touch_blob(const oci::Digest& digest) { touch({ContentKind::kBlob, digest}); }

void DiskStore::touch_manifest(const oci::Digest& digest) {
  touch({ContentKind::kManifest, digest});
}

void DiskStore::note_first_pull(const oci::Digest& manifest) {
  touch({ContentKind::kManifest, manifest}, 0);
}

void DiskStore::touch(const Content& content, std::uint32_t hits) {
  touches_->add(content, hits, clock_.wall_now());
  if (touches_->many()) return write_touches();
  if (!touch_timer_) touch_timer_ = core_->loop.after(kTouchesStay, [this] { write_touches(); });
}

void DiskStore::write_touches() {
  touch_timer_.reset();
  const ServedTotals served = served_now(core_->counters);
  TouchMap touches = touches_->take();
  if (touches.empty() && served == *served_) return;
  *served_ = served;
  core_->commits->add(
      [touches = std::move(touches), served](WriteTxn& txn) {
        const Status applied = apply(txn, touches);
        return applied.ok() ? txn.put_note(Index::kServedNote, encode(served)) : applied;
      },
      nullptr);
}

// Raises the counters to the totals in the index's note `served`. A missing or damaged note changes
// no counter.
void DiskStore::read_served() {
  const Result<ReadTxn> txn = core_->commits->index().snapshot();
  if (!txn) return;
  const auto note = txn->find_note(Index::kServedNote);
  const auto served = note && note->has_value() ? decode_served(**note) : ServedTotals();
  if (!served) return;
  Counters& counters = core_->counters;
  counters.saved_bytes = std::max<std::uint64_t>(counters.saved_bytes, served->saved_bytes);
  counters.prefetched_bytes =
      std::max<std::uint64_t>(counters.prefetched_bytes, served->prefetched_bytes);
  *served_ = served_now(counters);
}

std::set<oci::Digest> DiskStore::blobs_being_read() {
  kept_->close();  // Nobody reads a file that is only kept.
  std::set<oci::Digest> blobs;
  for (const auto& [digest, file] : open_) {
    if (!file.expired()) blobs.insert(digest);
  }
  return blobs;
}

void DiskStore::evict(std::uint64_t bytes, const cache::Spare& spare,
                      cache::Given<cache::EvictedSum> done) {
  write_touches();  // Commits run in order, so the eviction sees these uses.
  removals_->start(Removal::LowestRanks{bytes, spare}, std::move(done));
}

// The lookup runs in the commit lane, after the commit of the uses that were in RAM.
Handle DiskStore::find_used(WallTime since, cache::Given<UsedBlobs> done) {
  write_touches();
  auto asker = std::make_unique<Droppable<Result<UsedBlobs>>>(std::move(done));
  const auto found = std::make_shared<UsedBlobs>();
  core_->commits->add(
      [found, since](WriteTxn& txn) {
        return txn.each_usage([&](const Content& content, const UsageRecord& usage) {
          const bool used = content.kind == ContentKind::kBlob && usage.used_at > since;
          if (used) found->insert_or_assign(content.digest, usage.size_bytes);
          return true;
        });
      },
      while_alive([found, give = asker->call()](const Status& status) {
        give(status.ok() ? Result<UsedBlobs>(std::move(*found))
                         : Result<UsedBlobs>(status.error()));
      }));
  return asker;
}

void DiskStore::evict_image(const cache::TagKey& key, cache::Given<cache::EvictedSum> done) {
  removals_->start(Removal::Image{key}, std::move(done));
}

}  // namespace layby::store
