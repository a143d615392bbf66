// SPDX-License-Identifier: Apache-2.0
//
// Opening the folder in order (lock, folders, index), and the store's calls over index,
// files and writers. What is found damaged is dropped, so that it is fetched again.

#include "layby/store/disk_store.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "layby/base/fd.h"
#include "layby/base/log.h"
#include "store/blob_writer.h"
#include "store/core.h"
#include "store/disk_error.h"
#include "store/disk_space.h"
#include "store/folder_lock.h"

namespace layby::store {

Result<std::unique_ptr<DiskStore>> DiskStore::open(const Options& options, event::Loop& loop,
                                                   event::Workers& workers, const Clock& clock,
                                                   Counters& counters) {
  const std::string index_dir = options.data_dir + "/index";
  if (Status made = make_directories(index_dir); !made) return made.error();
  Result<UniqueFd> lock = lock_folder(options.data_dir);
  if (!lock) return std::move(lock).error();
  auto core =
      std::make_shared<Core>(*std::move(lock), options.data_dir, DiskCalls::real(), loop, counters);
  if (Status prepared = core->files.prepare(); !prepared) return prepared.error();
  auto index = Index::open(index_dir, options.index_map_bytes);
  if (!index) return std::move(index).error();
  core->commits =
      std::make_shared<CommitQueue>(*std::move(index), workers.make_lane(), loop, counters);
  return std::unique_ptr<DiskStore>(new DiskStore(options, std::move(core), workers, clock));
}

DiskStore::DiskStore(const Options& options, std::shared_ptr<Core> core, event::Workers& workers,
                     const Clock& clock)
    : core_(std::move(core)),
      workers_(workers),
      clock_(clock),
      space_(std::make_unique<DiskSpace>(options.data_dir, core_->loop, workers, clock)) {
  sweep_partials(options.keep_partials_for);
}

DiskStore::~DiskStore() = default;

// What can't be read counts as absent; the caller then fetches it.
template <typename T>
std::optional<T> DiskStore::answer(Result<std::optional<T>> found, const std::string& what) {
  if (found.ok()) return *std::move(found);
  count(core_->counters.store_errors);
  log::error("can't look up {}: {}", log::printable(what), found.error().message);
  return std::nullopt;
}

std::optional<BlobRecord> DiskStore::find_blob(const oci::Digest& digest) {
  Result<ReadTxn> txn = core_->commits->index().read();
  if (!txn) return answer<BlobRecord>(std::move(txn).error(), digest.str());
  return answer(txn->find_blob(digest), digest.str());
}

std::optional<cache::StoredBlob> DiskStore::open_blob(const oci::Digest& digest) {
  const std::optional<BlobRecord> record = find_blob(digest);
  if (!record) return std::nullopt;
  Result<UniqueFd> fd = core_->files.open_published(digest);
  if (!fd) {
    count(core_->counters.store_errors);
    log::error("{}", fd.error().message);
    return std::nullopt;
  }
  struct stat info {};
  const bool whole = *fd && ::fstat(fd->get(), &info) == 0 && S_ISREG(info.st_mode) &&
                     static_cast<std::uint64_t>(info.st_size) == record->size_bytes;
  if (!whole) {
    drop_damaged(digest, record->size_bytes);
    return std::nullopt;
  }
  return cache::StoredBlob{std::make_shared<DiskFile>(*std::move(fd)), record->size_bytes};
}

// In the digest's lane, so it can't meet a writer's publishing; looks again there,
// since one may have published between the lookup and now.
void DiskStore::drop_damaged(const oci::Digest& digest, std::uint64_t expected_bytes) {
  count(core_->counters.store_errors);
  const std::shared_ptr<event::Lane> lane = lane_of(digest);
  lane->submit([core = core_, lane, digest, expected_bytes] {
    const std::string path = core->files.published_path(digest);
    struct stat info {};
    const bool there = ::lstat(path.c_str(), &info) == 0;
    if (there && S_ISREG(info.st_mode) &&
        static_cast<std::uint64_t>(info.st_size) == expected_bytes) {
      return;
    }
    log::warn("{} {}; it is dropped and fetched again when it is asked for", path,
              there ? "has a wrong size" : "is missing");
    if (Status removed = core->files.remove_published(digest); !removed) {
      log::error("{}", removed.error().message);
    }
    core->commits->add([digest](WriteTxn& txn) { return txn.erase_blob(digest); }, nullptr);
  });
}

std::optional<cache::StoredManifest> DiskStore::find_manifest(const oci::Digest& digest) {
  Result<ReadTxn> txn = core_->commits->index().read();
  if (!txn) return answer<cache::StoredManifest>(std::move(txn).error(), digest.str());
  return answer(txn->find_manifest(digest), digest.str());
}

std::optional<cache::StoredTag> DiskStore::find_tag(const cache::TagKey& key) {
  const std::string what = key.repository + ":" + key.tag;
  Result<ReadTxn> txn = core_->commits->index().read();
  if (!txn) return answer<cache::StoredTag>(std::move(txn).error(), what);
  return answer(txn->find_tag(key), what);
}

std::vector<std::string> DiskStore::list_tags(const std::string& upstream,
                                              const std::string& repository) {
  using Names = std::vector<std::string>;
  Result<ReadTxn> txn = core_->commits->index().read();
  if (!txn) return answer<Names>(std::move(txn).error(), repository).value_or(Names{});
  Result<Names> names = txn->list_tags(upstream, repository);
  if (!names) return answer<Names>(std::move(names).error(), repository).value_or(Names{});
  return *std::move(names);
}

DiskStore::Done DiskStore::while_alive(Done done) {
  if (!done) return nullptr;
  return [alive = std::weak_ptr(alive_), done = std::move(done)](Status status) {
    if (!alive.expired()) done(std::move(status));
  };
}

void DiskStore::put_manifest(const oci::Digest& digest, cache::StoredManifest manifest, Done done) {
  core_->commits->add(
      [digest, manifest = std::move(manifest), now = clock_.wall_now()](WriteTxn& txn) {
        return txn.put_manifest(digest, {now, manifest.media_type, *manifest.bytes});
      },
      while_alive(std::move(done)));
}

void DiskStore::put_tag(const cache::TagKey& key, const cache::StoredTag& tag, Done done) {
  core_->commits->add([key, tag](WriteTxn& txn) { return txn.put_tag(key, tag); },
                      while_alive(std::move(done)));
}

std::shared_ptr<event::Lane> DiskStore::lane_of(const oci::Digest& digest) {
  std::erase_if(lanes_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<event::Lane>& known = lanes_[digest];
  std::shared_ptr<event::Lane> lane = known.lock();
  if (!lane) known = lane = std::make_shared<event::Lane>(workers_.make_lane());
  return lane;
}

std::unique_ptr<cache::BlobWriter> DiskStore::write_blob(const oci::Digest& digest,
                                                         cache::BlobWriterEvents& events) {
  const std::optional<BlobRecord> record = find_blob(digest);
  return std::make_unique<DiskBlobWriter>(core_, lane_of(digest), digest,
                                          record ? std::optional(record->size_bytes) : std::nullopt,
                                          clock_, events);
}

// A helper looks which files are old; each is deleted in its lane, behind a writer that
// may have taken it up meanwhile.
void DiskStore::sweep_partials(std::chrono::hours keep_for) {
  const WallTime before = clock_.wall_now() - keep_for;
  workers_.submit([this, core = core_, before, weak = std::weak_ptr(alive_)] {
    std::vector<oci::Digest> stale = core->files.stale_partials(before);
    core->loop.post([this, before, weak, stale = std::move(stale)] {
      if (!weak.expired()) remove_partials(stale, before);
    });
  });
}

void DiskStore::remove_partials(const std::vector<oci::Digest>& digests, WallTime before) {
  for (const oci::Digest& digest : digests) {
    const std::shared_ptr<event::Lane> lane = lane_of(digest);
    lane->submit([core = core_, lane, digest, before] {
      const Status removed = core->files.remove_partial_older_than(digest, before);
      if (!removed) log::warn("{}", removed.error().message);
    });
  }
}

cache::StoreUsage DiskStore::usage() const {
  const Counts counts = core_->commits->index().counts();
  const Space space = space_->get();
  return {counts.totals.blobs, counts.totals.blob_bytes, counts.manifests,
          counts.tags,         space.free_bytes,         space.total_bytes};
}

}  // namespace layby::store
