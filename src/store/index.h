// SPDX-License-Identifier: Apache-2.0
//
// The index offers typed transactions over LMDB. Readers see the last commit, and wait only while a
// damaged index is opened again. Index::read() is for single lookups on the loop thread, with one
// transaction at a time. Index::snapshot() is for any thread. A transaction that stays open keeps
// LMDB from reusing old pages. WriteTxns belong to the commit lane, one at a time. A WriteTxn is
// begun, committed and destroyed on one thread, and isn't used after commit().

#ifndef LAYBY_STORE_INDEX_H_
#define LAYBY_STORE_INDEX_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layby/base/result.h"
#include "layby/cache/store.h"
#include "layby/oci/digest.h"
#include "store/ledger.h"
#include "store/lmdb_ptr.h"
#include "store/records.h"

namespace layby::store {

// The amount of content in the index after a commit.
struct Counts {
  Totals totals;
  std::uint64_t manifests = 0;
  std::uint64_t tags = 0;
  std::uint64_t file_bytes = 0;  // Size of the index's own file.
};

// The named databases of the environment.
struct Tables {
  MDB_dbi meta = 0;
  MDB_dbi blobs = 0;
  MDB_dbi manifests = 0;
  MDB_dbi tags = 0;
  MDB_dbi usage = 0;
  MDB_dbi ranks = 0;
  MDB_dbi pins = 0;
  MDB_dbi list_pins = 0;
  MDB_dbi trash = 0;
  MDB_dbi grants = 0;
  MDB_dbi origins = 0;
};

class Index;

// The lookups of read and write transactions.
class Txn {
 public:
  Txn(Txn&&) noexcept = default;
  Txn& operator=(Txn&&) = delete;

  Result<std::optional<BlobRecord>> find_blob(const oci::Digest& digest) const;
  Result<std::optional<cache::StoredManifest>> find_manifest(const oci::Digest& digest) const;
  Result<std::optional<WallTime>> find_stored_at(const oci::Digest& manifest) const;
  // The repository that a manifest was fetched from, if put_origin() has noted it.
  Result<std::optional<cache::RepositoryKey>> find_origin(const oci::Digest& manifest) const;
  Result<std::optional<cache::StoredTag>> find_tag(const cache::TagKey& key) const;
  Result<std::optional<UsageRecord>> find_usage(const Content& content) const;
  Result<bool> is_pinned(const cache::TagKey& key) const;
  Result<bool> is_list_pinned(const cache::TagKey& key) const;
  Result<cache::GrantState> find_grant_state(const oci::Digest& digest,
                                             const cache::RepositoryKey& repository) const;
  // The names are sorted by bytes.
  Result<std::vector<std::string>> list_tags(std::string_view upstream,
                                             std::string_view repository) const;

  // The each_ functions visit the entries in the order of their keys until `visit` returns false.
  // The each_ functions skip damaged records.
  Status each_tag(
      const std::function<bool(const cache::TagKey&, const cache::StoredTag&)>& visit) const;
  Status each_pin(const std::function<bool(const cache::TagKey&)>& visit) const;
  Status each_list_pin(const std::function<bool(const cache::TagKey&)>& visit) const;
  Status each_ranked(const std::function<bool(const Ranked&)>& visit) const;
  Status each_usage(const std::function<bool(const Content&, const UsageRecord&)>& visit) const;
  Status each_trash(const std::function<bool(const oci::Digest&)>& visit) const;
  // If `after` is given, the visits begin with the first digest greater than `after`.
  Status each_blob(const std::optional<oci::Digest>& after,
                   const std::function<bool(const oci::Digest&, const BlobRecord&)>& visit) const;
  Status each_manifest(
      const std::function<bool(const oci::Digest&, const ManifestRecord&)>& visit) const;

  // A value of the table `meta`.
  Result<std::optional<std::string>> find_note(std::string_view name) const;

 protected:
  friend class Index;
  Txn(Index& index, std::shared_lock<std::shared_mutex> open, MDB_txn* txn)
      : index_(index), open_(std::move(open)), txn_(txn) {}
  ~Txn() = default;

  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  Status scan(MDB_dbi table, std::string_view from, const Visit& visit) const;
  Status scan_pins(MDB_dbi table, const std::function<bool(const cache::TagKey&)>& visit) const;
  Result<bool> is_in_pins(MDB_dbi table, const cache::TagKey& key) const;

  Index& index_;
  std::shared_lock<std::shared_mutex> open_;  // Keeps the index from being closed.
  MDB_txn* txn_;
};

class ReadTxn : public Txn {
 public:
  ReadTxn(ReadTxn&& other) noexcept;
  ReadTxn& operator=(ReadTxn&&) = delete;
  ~ReadTxn();

 private:
  friend class Index;
  using Open = std::shared_lock<std::shared_mutex>;
  ReadTxn(Index& index, Open open, MDB_txn* used_again) : Txn(index, std::move(open), used_again) {}
  ReadTxn(Index& index, Open open, TxnPtr own)
      : Txn(index, std::move(open), own.get()), own_(std::move(own)) {}

  // Null when the transaction belongs to the index, which keeps the transaction for the next
  // lookup.
  TxnPtr own_;
};

// An uncommitted WriteTxn is aborted when it is destroyed. If a put or an erasure fails, the caller
// must not commit.
class WriteTxn : public Txn {
 public:
  WriteTxn(WriteTxn&&) noexcept = default;
  WriteTxn& operator=(WriteTxn&&) = delete;

  // A new blob or manifest counts as used once, at the record's time. A replaced blob or manifest
  // keeps its usage.
  Status put_blob(const oci::Digest& digest, const BlobRecord& record);
  Status put_manifest(const oci::Digest& digest, const ManifestRecord& record);
  // erase_manifest() erases the origin too.
  Status put_origin(const oci::Digest& manifest, const cache::RepositoryKey& from, WallTime now);
  Status put_tag(const cache::TagKey& key, const cache::StoredTag& tag);
  Status put_pin(const cache::TagKey& key, WallTime since);
  // Replaces all list pins. A pin that stays keeps its time.
  Status set_list_pins(const std::vector<cache::TagKey>& keys, WallTime since);
  // Writes nothing if the grant is there already.
  Status put_grant(const oci::Digest& digest, const cache::RepositoryKey& repository);
  // Makes the digest private without granting it to any repository.
  Status mark_private(const oci::Digest& digest);
  // Adds `hits` uses, the last of which was at the time `used_at`. If `hits` is 0, notes that the
  // content was stored for a client. Does nothing and returns Ok if the content isn't in the index.
  Status touch(const Content& content, std::uint32_t hits, WallTime used_at);
  // The erasures return Ok if the record is missing. When the last entry of a digest in blobs,
  // manifests and trash is erased, the grants of the digest are erased too.
  Status erase_blob(const oci::Digest& digest);
  Status erase_manifest(const oci::Digest& digest);
  Status erase_tag(const cache::TagKey& key);
  Status erase_pin(const cache::TagKey& key);
  // Erases a blob whose file is to be deleted. The blob's digest stays in the table `trash` until
  // clear_trash() or put_blob().
  Status trash_blob(const oci::Digest& digest);
  Status clear_trash(const oci::Digest& digest);
  // Erases an entry of the table `ranks` that each_ranked() has visited.
  Status take_rank(std::uint64_t rank, const Content& content);
  // Raises the clock of eviction after content of `rank` was evicted.
  void advance_clock(std::uint64_t rank);

  Status put_note(std::string_view name, std::string_view value);
  Status erase_note(std::string_view name);

  // Called once. The changes are durable when Ok is returned.
  Status commit();

 private:
  friend class Index;
  WriteTxn(Index& index, std::shared_lock<std::shared_mutex> open, TxnPtr txn, const Totals& totals)
      : Txn(index, std::move(open), txn.get()),
        own_(std::move(txn)),
        totals_(totals),
        totals_before_(totals) {}

  // put() and erase() also add the change to changes_ if the table is in the ledger.
  Status put(MDB_dbi table, std::string_view key, std::string_view value, const char* what);
  Status erase(MDB_dbi table, std::string_view key, const char* what);
  Status put_here(MDB_dbi table, std::string_view key, std::string_view value, const char* what);
  void note_change(MDB_dbi table, bool erased, std::string_view key, std::string_view value);
  Status log_changes();
  // Applies a change from the ledger to a new index, which has no blobs yet.
  Status apply(const Change& change);
  Status put_totals();
  Status put_grant_at(const std::string& key);
  Status erase_stray_grants(const oci::Digest& digest);
  Status put_pin_in(MDB_dbi table, const cache::TagKey& key, WallTime since);
  Status subtract_blob(std::string_view key);
  Status subtract_manifest(std::string_view key);
  Status store_usage(const Content& content, std::uint64_t size_bytes, WallTime now);
  Status put_usage(const Content& content, const std::optional<UsageRecord>& before,
                   UsageRecord now);
  Status erase_rank(std::uint64_t rank, const Content& content);
  Status erase_usage(const Content& content);
  Status migrate_usage(const Content& content, const UsageRecord& usage);
  Status put_version();

  TxnPtr own_;
  Totals totals_;
  Totals totals_before_;
  std::string changes_;          // The records for the ledger.
  bool has_new_grants_ = false;  // Whether changes_ has new grants.
  bool is_logged_ = true;        // False while the changes come from the ledger.
};

class Index {
 public:
  static constexpr unsigned kMaxReaders = 126;  // LMDB's own default.

  // Opens or makes the index in the existing folder `directory`. Converts an index of an older
  // version to the present version. Sets a damaged index aside as damaged.mdb. At most
  // `max_readers` read transactions are open at a time. Blocks.
  static Result<std::unique_ptr<Index>> open(const std::string& directory, std::uint64_t map_bytes,
                                             unsigned max_readers = kMaxReaders);
  ~Index();

  // Begins to keep the ledger in `data_dir`. A new index first gets the content of the ledger that
  // the lost index kept. Called once, after open(). After a failure, which is logged, the index
  // works without a ledger. Blocks.
  void keep_ledger(const std::string& data_dir);
  // Writes the ledger anew if it is too long or has lost changes. Called in the commit lane.
  void tend_ledger();
  std::uint64_t ledger_bytes() const { return ledger_ ? ledger_->size_bytes() : 0; }

  Result<ReadTxn> read();
  Result<ReadTxn> snapshot();
  Result<WriteTxn> write();

  // May be called from any thread.
  Counts counts() const;

  // Whether blob files must still be read for an index that was made anew, by this process or by
  // an earlier process.
  bool needs_rebuild() const { return needs_rebuild_; }
  void note_rebuilt() { needs_rebuild_ = false; }

  // Whether all grants of the lost index came back from the ledger. The value counts only during a
  // rebuild.
  bool knows_all_grants() const { return knows_all_grants_; }

  // If false, the table `grants` is empty, and a caller needs no lookup. Grants that aren't written
  // yet, or were lost with an index, don't count.
  bool has_grants() const { return has_grants_; }

  // The number of times that this process has set the index aside.
  int generation() const { return generation_; }

  // True if LMDB has reported damage or refuses to go on after a failed write, or if the last
  // recovery failed.
  bool needs_recovery() const { return needs_recovery_; }
  // Opens the index again, or makes a new index when damage was reported. When the disk can't be
  // written, the index is opened for lookups only. Called in the commit lane.
  Status recover();

  // The names of notes.
  static constexpr std::string_view kRebuildNote = "rebuild";
  static constexpr std::string_view kScrubNote = "scrub";
  static constexpr std::string_view kServedNote = "served";
  static constexpr std::string_view kRestoreNote = "restore";
  static constexpr std::string_view kLedgerNote = "ledger";
  static constexpr std::string_view kGrantsNote = "grants";

  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

 private:
  friend class Txn;
  friend class ReadTxn;
  friend class WriteTxn;
  Index(std::string directory, std::uint64_t map_bytes, unsigned max_readers)
      : directory_(std::move(directory)), map_bytes_(map_bytes), max_readers_(max_readers) {}

  Status open_or_set_aside();
  Status open_now();
  Status open_read_only();
  void close();
  Status set_aside(const Error& reason);
  Status make_anew(const Error& reason);
  Status open_env(unsigned flags);
  Status check_whole() const;
  Status open_tables(unsigned flags);
  Status check_version(MDB_txn* txn);
  Status migrate(std::uint32_t version);
  Status migrate_from_1();
  // The functions for the ledger run before anybody else uses the index, or in the commit lane.
  void restore_ledger(bool after_start);
  Result<bool> resume_ledger(bool after_start);
  Status replay_ledger();
  Status rewrite_ledger(std::shared_lock<std::shared_mutex> open);
  Status write_ledger(const ReadTxn& txn);
  Status begin_checking();
  Status end_checking();
  Status clear_places();
  Status check_sound();
  // begin_read() and begin_write() do the work of snapshot() and write(). While the index is being
  // opened, `open` holds no lock, since nobody else can use the index.
  Result<ReadTxn> begin_read(std::shared_lock<std::shared_mutex> open);
  Result<WriteTxn> begin_write(std::shared_lock<std::shared_mutex> open);
  Result<TxnPtr> begin(unsigned flags);
  Result<std::optional<std::string_view>> get(MDB_txn* txn, MDB_dbi table, std::string_view key);
  Result<Totals> read_totals(MDB_txn* txn);
  Result<Counts> read_counts(MDB_txn* txn);
  // Returns the Error for an LMDB code. Records damage for needs_recovery() and recover().
  Error error(const char* what, int code) const;
  std::string path(const char* name) const { return directory_ + "/" + name; }

  const std::string directory_;
  const std::uint64_t map_bytes_;
  const unsigned max_readers_;
  std::shared_mutex open_mutex_;  // Locked shared by transactions, and exclusively to replace env_.
  EnvPtr env_;
  std::optional<Error> unwritable_;  // Why the last recovery couldn't open the index for writing.
  Tables tables_;
  TxnPtr read_txn_;  // Reset between lookups. Closed before env_.
  mutable std::atomic<bool> needs_recovery_ = false;
  mutable std::atomic<bool> damage_reported_ = false;
  std::atomic<int> generation_ = 0;
  std::atomic<bool> needs_rebuild_ = false;
  std::atomic<bool> knows_all_grants_ = false;
  std::atomic<bool> has_grants_ = true;  // Once true, stays true until the index is opened again.
  std::uint32_t found_version_ = 0;
  std::unique_ptr<Ledger> ledger_;  // Null before keep_ledger().
  bool restoring_ = false;          // The content of the ledger isn't in the index yet.
  int ledger_pause_ = 0;            // The number of calls of tend_ledger() to skip.
  bool checking_ = false;           // The whole index must be read while it is opened.
  mutable std::mutex mutex_;
  Counts counts_;  // Guarded by mutex_.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_INDEX_H_
