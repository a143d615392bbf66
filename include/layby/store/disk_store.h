// SPDX-License-Identifier: Apache-2.0
//
// The store on a disk is one folder with an LMDB index, published blob files and half-written blob
// files. A blob is in the index only when its bytes are verified and durable, so every blob in the
// index survives a power cut. The loop thread answers lookups; helper threads write, hash and sync
// files and commit to the index. A lost or damaged index is made anew, and the store puts the blobs
// that it finds in the files into the new index. src/store/FORMAT.md specifies every byte.

#ifndef LAYBY_STORE_DISK_STORE_H_
#define LAYBY_STORE_DISK_STORE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/base/lifetime.h"
#include "layby/cache/operator_store.h"
#include "layby/cache/store.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "layby/events/events.h"
#include "layby/store/options.h"

namespace layby::store {

// The path of a file that a crashing process should create. The next start then checks the whole
// index before using the index. DiskStore::open() makes the file's folder.
std::string suspicion_path(const std::string& data_dir);

class BlobChecks;
class Core;
class DigestLanes;
class DiskFile;
class DiskSpace;
class KeptFiles;
class Removals;
class Scrub;
class Touches;
struct BlobRecord;
struct ServedTotals;
struct Content;
struct DigestLane;

// Destroy the store before the workers, and the workers before the loop. Destroying the store drops
// the store's pending callbacks. Queued writes still reach the disk; after the last write the
// folder is free for another store.
class DiskStore final : public cache::Store, public cache::OperatorStore {
 public:
  // Blocks, so it is for start-up only. Fails when another process uses the folder (kUnavailable),
  // when a newer layby wrote the index (kInvalid) and when the disk fails (kIo, kNoSpace).
  static Result<std::unique_ptr<DiskStore>> open(const Options& options, event::Loop& loop,
                                                 event::Workers& workers, const Clock& clock,
                                                 Counters& counters, events::Events& events);
  ~DiskStore() override;

  std::optional<cache::StoredBlob> open_blob(const oci::Digest& digest) override;
  std::optional<std::uint64_t> find_blob(const oci::Digest& digest) const override;
  std::optional<cache::StoredManifest> find_manifest(const oci::Digest& digest) override;
  Handle find_parts(const oci::Digest& root, const cache::PlatformChoice& choice,
                    std::function<void(Result<cache::ImageParts>)> done) override;
  std::optional<cache::StoredTag> find_tag(const cache::TagKey& key) override;
  std::vector<std::string> list_tags(const std::string& upstream,
                                     const std::string& repository) override;

  void put_manifest(const oci::Digest& digest, cache::StoredManifest manifest, Done done) override;
  void put_tag(const cache::TagKey& key, const cache::StoredTag& tag, Done done) override;

  cache::GrantState grant_state(const oci::Digest& digest,
                                const cache::RepositoryKey& repository) const override;
  void grant(const oci::Digest& digest, const cache::RepositoryKey& repository) override;

  // For a published blob, the writer reports all bytes as kept, and finish() reports the blob as
  // published without writing the file again.
  std::unique_ptr<cache::BlobWriter> write_blob(const oci::Digest& digest,
                                                cache::BlobWriterEvents& events) override;

  cache::StoreUsage usage() const override;

  void touch_blob(const oci::Digest& digest) override;
  void touch_manifest(const oci::Digest& digest) override;
  void note_first_pull(const oci::Digest& manifest) override;
  void check_blob(const oci::Digest& digest) override;
  using cache::Store::evict;
  void evict(std::uint64_t bytes, const cache::Spare& spare,
             cache::Given<cache::EvictedSum> done) override;
  Handle find_used(WallTime since, cache::Given<UsedBlobs> done) override;
  void evict_image(const cache::TagKey& key, cache::Given<cache::EvictedSum> done) override;
  void pin(const cache::TagKey& key, cache::Given<bool> done) override;
  void unpin(const cache::TagKey& key, cache::Given<bool> done) override;
  void set_list_pins(std::vector<cache::TagKey> keys, Done done) override;
  void list_images(cache::Given<cache::Catalog> done) override;
  void verify() override;
  cache::ScrubStatus scrub() const override;

  // Called after a damaged blob was taken out of service, so that the blob can be fetched again.
  // The tag names an image that has the blob; the tag is nullopt if no image has the blob.
  using OnDamaged = std::function<void(const oci::Digest&, const std::optional<cache::TagKey>&)>;
  void on_damaged(OnDamaged call) { on_damaged_ = std::move(call); }

 private:
  DiskStore(const Options& options, std::shared_ptr<Core> core, event::Workers& workers,
            const Clock& clock);

  std::optional<BlobRecord> blob_record(const oci::Digest& digest) const;
  cache::GrantState indexed_grant_state(const oci::Digest& digest,
                                        const cache::RepositoryKey& repository) const;
  void drop_damaged(const oci::Digest& digest, std::uint64_t expected_bytes);
  void delete_left_partials(std::chrono::hours keep_for);
  std::set<oci::Digest> blobs_being_read();
  void recovered();
  void revoke_open(const oci::Digest& digest);
  void set_aside(const oci::Digest& digest, std::uint64_t inode, std::function<void()> then);
  void write_touches();
  void read_served();
  void move_away(const oci::Digest& digest, std::uint64_t inode, std::function<void()> then);
  void touch(const Content& content, std::uint32_t hits = 1);
  Done while_alive(Done done);
  void on_failed_lookup(const std::string& what, const Error& error) const;
  template <typename T>
  std::optional<T> answer(Result<std::optional<T>> found, const std::string& what) const;

  const std::shared_ptr<Core> core_;
  event::Workers& workers_;
  const Clock& clock_;
  const std::unique_ptr<DiskSpace> space_;
  const std::unique_ptr<DigestLanes> lanes_;
  // Lanes whose grants could not be written to the index. A lane's grants are valid while the lane
  // lives.
  std::unordered_map<oci::Digest, std::shared_ptr<DigestLane>> unwritten_grants_;
  // The open files of stored blobs: a blob's readers share its file, and eviction spares the blob.
  std::unordered_map<oci::Digest, std::weak_ptr<DiskFile>> open_;
  const std::unique_ptr<KeptFiles> kept_;
  const std::unique_ptr<Touches> touches_;
  Handle touch_timer_;
  const std::unique_ptr<ServedTotals> served_;  // The totals as last written to the index.
  const std::unique_ptr<Removals> removals_;
  const std::unique_ptr<Scrub> scrub_;
  const std::unique_ptr<BlobChecks> checks_;
  OnDamaged on_damaged_;
  Lifetime life_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_DISK_STORE_H_
