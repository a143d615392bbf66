// SPDX-License-Identifier: Apache-2.0
//
// Opens the folder in order (lock, folders, index, leftovers of a crash), and implements the
// store's calls over index, files and writers. A damaged record counts as absent and a damaged file
// is dropped, so that the content is fetched again. Invariant: no callback of a job runs after the
// store is destroyed (life_).

#include "layby/store/disk_store.h"

#include <sys/stat.h>

#include <cassert>
#include <cerrno>
#include <utility>

#include "layby/base/fd.h"
#include "layby/base/log.h"
#include "store/blob_checks.h"
#include "store/blob_writer.h"
#include "store/catalog.h"
#include "store/core.h"
#include "store/digest_lanes.h"
#include "store/disk_error.h"
#include "store/disk_space.h"
#include "store/folder_lock.h"
#include "store/kept_files.h"
#include "store/partials.h"
#include "store/reach.h"
#include "store/removals.h"
#include "store/scrub.h"
#include "store/touches.h"
#include "store/trash.h"

namespace layby::store {
namespace {

// Entries of closed files stay in open_ until open_ has this many entries.
constexpr std::size_t kOpenBeforePurge = 256;

}  // namespace

std::string suspicion_path(const std::string& data_dir) { return data_dir + "/index/suspect"; }

Result<std::unique_ptr<DiskStore>> DiskStore::open(const Options& options, event::Loop& loop,
                                                   event::Workers& workers, const Clock& clock,
                                                   Counters& counters, events::Events& events) {
  const std::string index_dir = options.data_dir + "/index";
  if (Status made = make_directories(index_dir); !made) return made.error();
  Result<UniqueFd> lock = lock_folder(options.data_dir);
  if (!lock) return std::move(lock).error();
  auto core = std::make_shared<Core>(*std::move(lock), options.data_dir, DiskCalls::real(), loop,
                                     counters, events);
  if (Status prepared = core->files.prepare(); !prepared) return prepared.error();
  auto index = Index::open(index_dir, options.index_map_bytes);
  if (!index) return std::move(index).error();
  (*index)->keep_ledger(options.data_dir);
  core->commits =
      std::make_shared<CommitQueue>(*std::move(index), workers.make_lane(), loop, counters);
  core->private_after_rebuild = options.private_after_rebuild;
  return std::unique_ptr<DiskStore>(new DiskStore(options, std::move(core), workers, clock));
}

DiskStore::DiskStore(const Options& options, std::shared_ptr<Core> core, event::Workers& workers,
                     const Clock& clock)
    : core_(std::move(core)),
      workers_(workers),
      clock_(clock),
      space_(std::make_unique<DiskSpace>(options.data_dir, core_->loop, workers, clock,
                                         core_->counters)),
      lanes_(std::make_unique<DigestLanes>(workers)),
      kept_(std::make_unique<KeptFiles>(core_->loop)),
      touches_(std::make_unique<Touches>()),
      served_(std::make_unique<ServedTotals>()),
      removals_(std::make_unique<Removals>(Removal::Context{core_, workers, clock, *lanes_, *space_,
                                                            [this] { return blobs_being_read(); },
                                                            [this] { kept_->close(); }})),
      scrub_(std::make_unique<Scrub>(
          ScrubOptions{options.scrub_every, options.scrub_rate},
          Scrub::Context{
              core_, workers, clock,
              [this](const oci::Digest& digest, std::uint64_t inode, std::function<void()> then) {
                set_aside(digest, inode, std::move(then));
              },
              [this](const oci::Digest& digest) {
                const auto record = blob_record(digest);
                if (record) drop_damaged(digest, record->size_bytes);
              }})),
      checks_(std::make_unique<BlobChecks>(BlobChecks::Context{
          core_, workers, clock,
          [this](const oci::Digest& digest, std::uint64_t inode, std::function<void()> then) {
            set_aside(digest, inode, std::move(then));
          }})) {
  core_->commits->on_recovered(life_.guard([this] { recovered(); }));
  read_served();
  delete_left_partials(options.keep_partials_for);
  removals_->empty_trash();
  scrub_->start();
}

DiskStore::~DiskStore() { write_touches(); }

void DiskStore::on_failed_lookup(const std::string& what, const Error& error) const {
  count(core_->counters.store_errors);
  log::error("can't look up {}: {}", log::printable(what), error.message);
  if (core_->commits->index().needs_recovery()) core_->commits->recover();
}

// A record that can't be read counts as absent, so the caller fetches the content.
template <typename T>
std::optional<T> DiskStore::answer(Result<std::optional<T>> found, const std::string& what) const {
  if (found.ok()) return *std::move(found);
  on_failed_lookup(what, found.error());
  return std::nullopt;
}

std::optional<BlobRecord> DiskStore::blob_record(const oci::Digest& digest) const {
  Result<ReadTxn> txn = core_->commits->index().read();
  if (!txn) return answer<BlobRecord>(std::move(txn).error(), digest.str());
  return answer(txn->find_blob(digest), digest.str());
}

std::optional<std::uint64_t> DiskStore::find_blob(const oci::Digest& digest) const {
  const std::optional<BlobRecord> record = blob_record(digest);
  return record ? std::optional(record->size_bytes) : std::nullopt;
}

std::optional<cache::StoredBlob> DiskStore::open_blob(const oci::Digest& digest) {
  const std::optional<BlobRecord> record = blob_record(digest);
  if (!record) return std::nullopt;
  if (const auto open = open_.find(digest); open != open_.end()) {
    const auto file = open->second.lock();
    if (file && !file->revoked() && file->is_in_place(record->size_bytes)) {
      return cache::StoredBlob{file, record->size_bytes};
    }
  }
  Result<UniqueFd> fd = core_->files.open_published(digest);
  if (!fd && fd.error().code == ErrorCode::kCorrupt) fd = UniqueFd();
  if (!fd) {
    count(core_->counters.store_errors);
    log::error("{}", fd.error().message);
    return std::nullopt;
  }
  auto file = std::make_shared<DiskFile>(*std::move(fd));
  if (!file->is_in_place(record->size_bytes)) {
    drop_damaged(digest, record->size_bytes);
    return std::nullopt;
  }
  if (open_.size() >= kOpenBeforePurge) {
    std::erase_if(open_, [](const auto& entry) { return entry.second.expired(); });
  }
  open_[digest] = file;
  kept_->keep(file);
  return cache::StoredBlob{std::move(file), record->size_bytes};
}

// The file is removed in the digest's lane, so that no writer publishes the blob at the same time.
// In the lane, the file is checked again, since a writer may have published the blob after the
// lookup.
void DiskStore::drop_damaged(const oci::Digest& digest, std::uint64_t expected_bytes) {
  const std::shared_ptr<DigestLane> lane = lanes_->get(digest);
  lane->lane.submit([core = core_, lane, digest, expected_bytes] {
    const std::string path = core->files.published_path(digest);
    struct stat info {};
    const bool there = ::lstat(path.c_str(), &info) == 0;
    if (there ? S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_size) == expected_bytes
              : errno != ENOENT && errno != ENOTDIR) {
      return;
    }
    count(core->counters.store_errors);
    const char* fault = !there                  ? "is missing"
                        : S_ISREG(info.st_mode) ? "has a wrong size"
                                                : "is no regular file";
    log::warn("{} {}; layby fetches the blob again when a client asks for it", path, fault);
    Status removed = core->files.remove_published(digest);
    if (removed.ok()) removed = core->files.sync_removals({digest});
    if (!removed) log::error("{}", removed.error().message);
    core->commits->add(
        [lane, digest](WriteTxn& txn) {
          const Status gone = txn.erase_blob(digest);
          return gone.ok() ? lane->grants.put(txn, digest) : gone;
        },
        nullptr);
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
  return life_.guard(std::move(done));
}

void DiskStore::put_manifest(const oci::Digest& digest, cache::StoredManifest manifest, Done done) {
  core_->commits->add(
      [lane = lanes_->find(digest), digest, manifest = std::move(manifest),
       now = clock_.wall_now()](WriteTxn& txn) {
        const ManifestRecord record{now, manifest.media_type, *manifest.bytes};
        Status put = txn.put_manifest(digest, record);
        if (put && manifest.from) put = txn.put_origin(digest, *manifest.from, now);
        return put && lane ? lane->grants.put(txn, digest) : put;
      },
      while_alive(std::move(done)));
}

void DiskStore::put_tag(const cache::TagKey& key, const cache::StoredTag& tag, Done done) {
  core_->commits->add([key, tag](WriteTxn& txn) { return txn.put_tag(key, tag); },
                      while_alive(std::move(done)));
}

std::unique_ptr<cache::BlobWriter> DiskStore::write_blob(const oci::Digest& digest,
                                                         cache::BlobWriterEvents& events) {
  return std::make_unique<DiskBlobWriter>(core_, lanes_->get(digest), digest, find_blob(digest),
                                          clock_, events);
}

// The deletion is posted, so that writers made right after the start come first.
void DiskStore::delete_left_partials(std::chrono::hours keep_for) {
  const WallTime before = clock_.wall_now() - keep_for;
  core_->loop.post(life_.guard([this, before, left = settle_partials(*core_, before)] {
    delete_old_partials(core_, *lanes_, left, before, [] {});
  }));
}

void DiskStore::recovered() {
  if (core_->commits->index().needs_rebuild()) scrub_->start();
}

void DiskStore::revoke_open(const oci::Digest& digest) {
  kept_->close();
  const auto open = open_.find(digest);
  if (open == open_.end()) return;
  if (const auto file = open->second.lock()) file->revoke();
}

// Readers of the damaged file are cut off before they send more bytes. The record is erased before
// the file moves away, so that nobody opens the blob in between.
void DiskStore::set_aside(const oci::Digest& digest, std::uint64_t inode,
                          std::function<void()> then) {
  count(core_->counters.damaged_blobs);
  const std::string path = core_->files.published_path(digest);
  core_->events.tell(events::BlobDamaged{digest, path});
  revoke_open(digest);
  const auto user = std::make_shared<std::optional<cache::TagKey>>();
  core_->commits->add(
      [digest, user](WriteTxn& txn) {
        auto found = find_user(txn, digest);
        if (found) *user = *std::move(found);
        return txn.trash_blob(digest);
      },
      while_alive([this, digest, inode, user, then = std::move(then)](const Status&) {
        revoke_open(digest);  // A reader may have opened the blob before the commit.
        // After a failed commit the record stays without a file, and open_blob() drops the record.
        move_away(digest, inode, [this, digest, user, then] {
          forget_trash(core_, workers_, *lanes_, {digest});
          if (on_damaged_) on_damaged_(digest, *user);
          then();
        });
      }));
}

void DiskStore::move_away(const oci::Digest& digest, std::uint64_t inode,
                          std::function<void()> then) {
  const std::shared_ptr<DigestLane> lane = lanes_->get(digest);
  lane->lane.submit(
      [core = core_, lane, digest, inode, then = life_.guard(std::move(then))]() mutable {
        if (Status moved = core->files.quarantine(digest, inode); !moved) {
          log::error("{}", moved.error().message);
        }
        // `then` is moved, so that its objects are destroyed on the loop thread, not on this
        // thread.
        core->loop.post(std::move(then));
      });
}

cache::StoreUsage DiskStore::usage() const {
  const Counts counts = core_->commits->index().counts();
  const Space space = space_->get();
  cache::StoreUsage usage;
  usage.blobs = counts.totals.blobs;
  usage.blob_bytes = counts.totals.blob_bytes;
  usage.manifests = counts.manifests;
  usage.manifest_bytes = counts.totals.manifest_bytes;
  usage.tags = counts.tags;
  usage.partial_bytes = core_->files.partial_bytes();
  usage.index_bytes = counts.file_bytes + core_->commits->index().ledger_bytes();
  usage.disk_free_bytes = space.free_bytes;
  usage.disk_total_bytes = space.total_bytes;
  return usage;
}

void DiskStore::pin(const cache::TagKey& key, cache::Given<bool> done) {
  const auto before = std::make_shared<bool>(false);
  core_->commits->add(
      [key, before, now = clock_.wall_now()](WriteTxn& txn) -> Status {
        Result<bool> pinned = txn.is_pinned(key);
        if (!pinned) return std::move(pinned).error();
        *before = *pinned;
        return *before ? Status() : txn.put_pin(key, now);
      },
      while_alive([before, done = std::move(done)](const Status& status) {
        done(status.ok() ? Result<bool>(*before) : Result<bool>(status.error()));
      }));
}

void DiskStore::unpin(const cache::TagKey& key, cache::Given<bool> done) {
  const auto before = std::make_shared<bool>(false);
  core_->commits->add(
      [key, before](WriteTxn& txn) -> Status {
        Result<bool> pinned = txn.is_pinned(key);
        if (!pinned) return std::move(pinned).error();
        *before = *pinned;
        return txn.erase_pin(key);
      },
      while_alive([before, done = std::move(done)](const Status& status) {
        done(status.ok() ? Result<bool>(*before) : Result<bool>(status.error()));
      }));
}

void DiskStore::set_list_pins(std::vector<cache::TagKey> keys, Done done) {
  core_->commits->add([keys = std::move(keys), now = clock_.wall_now()](
                          WriteTxn& txn) { return txn.set_list_pins(keys, now); },
                      while_alive(std::move(done)));
}

void DiskStore::list_images(cache::Given<cache::Catalog> done) {
  workers_.submit_long(
      [core = core_, touches = touches_->all(), done = life_.guard(std::move(done))]() mutable {
        Index& index = core->commits->index();
        Result<ReadTxn> txn = index.snapshot();
        auto catalog =
            txn ? read_catalog(*txn, index.counts(), touches) : Result<cache::Catalog>(txn.error());
        // `done` is moved, so that its objects are destroyed on the loop thread, not on this
        // thread.
        core->loop.post([catalog = std::move(catalog), done = std::move(done)]() mutable {
          done(std::move(catalog));
        });
      });
}

void DiskStore::check_blob(const oci::Digest& digest) { checks_->add(digest); }

void DiskStore::verify() { scrub_->run_now(); }

cache::ScrubStatus DiskStore::scrub() const { return scrub_->status(); }

}  // namespace layby::store
