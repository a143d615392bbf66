// SPDX-License-Identifier: Apache-2.0
//
// The index: typed transactions over LMDB. Readers see the last commit and never wait.
// ReadTxn is for the loop thread, one at a time, and lives within one lookup: a reader
// that stays open keeps old pages from being used again. WriteTxn is for whoever holds
// the commit lane: begun, committed and destroyed on one thread, one at a time.

#ifndef LAYBY_STORE_INDEX_H_
#define LAYBY_STORE_INDEX_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layby/base/result.h"
#include "layby/cache/store.h"
#include "layby/oci/digest.h"
#include "store/lmdb_ptr.h"
#include "store/records.h"

namespace layby::store {

// How much is in the index, as of a commit.
struct Counts {
  Totals totals;
  std::uint64_t manifests = 0;
  std::uint64_t tags = 0;
};

// The named databases of the environment.
struct Tables {
  MDB_dbi meta = 0;
  MDB_dbi blobs = 0;
  MDB_dbi manifests = 0;
  MDB_dbi tags = 0;
};

class Index;

class ReadTxn {
 public:
  ReadTxn(ReadTxn&& other) noexcept;
  ReadTxn& operator=(ReadTxn&&) = delete;
  ~ReadTxn();

  Result<std::optional<BlobRecord>> find_blob(const oci::Digest& digest) const;
  Result<std::optional<cache::StoredManifest>> find_manifest(const oci::Digest& digest) const;
  Result<std::optional<cache::StoredTag>> find_tag(const cache::TagKey& key) const;
  // Sorted by bytes.
  Result<std::vector<std::string>> list_tags(std::string_view upstream,
                                             std::string_view repository) const;

 private:
  friend class Index;
  ReadTxn(Index& index, MDB_txn* txn) : index_(index), txn_(txn) {}

  Index& index_;
  MDB_txn* txn_;  // The index owns it and uses it again.
};

// Aborts when it is destroyed without commit(). After an error of any put or erase it
// can only be aborted.
class WriteTxn {
 public:
  WriteTxn(WriteTxn&&) noexcept = default;
  WriteTxn& operator=(WriteTxn&&) = delete;

  Status put_blob(const oci::Digest& digest, const BlobRecord& record);
  // Fine if it isn't there.
  Status erase_blob(const oci::Digest& digest);
  Status put_manifest(const oci::Digest& digest, const ManifestRecord& record);
  Status put_tag(const cache::TagKey& key, const cache::StoredTag& tag);

  // Durable when it returns Ok.
  Status commit();

 private:
  friend class Index;
  WriteTxn(Index& index, TxnPtr txn, const Totals& totals)
      : index_(index), txn_(std::move(txn)), totals_(totals), totals_before_(totals) {}

  Status put(MDB_dbi table, std::string_view key, std::string_view value, const char* what);
  Status put_totals();
  Status subtract_blob(std::string_view key);

  Index& index_;
  TxnPtr txn_;
  Totals totals_;
  Totals totals_before_;
};

class Index {
 public:
  // Opens or makes the index in `directory`, which exists. Blocks.
  static Result<std::unique_ptr<Index>> open(const std::string& directory, std::uint64_t map_bytes);
  ~Index();

  Result<ReadTxn> read();
  Result<WriteTxn> write();

  // From any thread.
  Counts counts() const;

  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

 private:
  friend class ReadTxn;
  friend class WriteTxn;
  explicit Index(std::string directory) : directory_(std::move(directory)) {}

  Status open_env(std::uint64_t map_bytes);
  Status check_whole() const;
  Status open_tables();
  Status check_version(MDB_txn* txn);
  Result<TxnPtr> begin(unsigned flags);
  Result<std::optional<std::string_view>> get(MDB_txn* txn, MDB_dbi table, std::string_view key);
  Result<Totals> read_totals(MDB_txn* txn);
  Result<Counts> read_counts(MDB_txn* txn);
  Error error(const char* what, int code) const { return lmdb_error(what, directory_, code); }

  const std::string directory_;
  EnvPtr env_;
  Tables tables_;
  TxnPtr read_txn_;  // Reset between lookups. Goes before env_.
  mutable std::mutex mutex_;
  Counts counts_;  // Guarded by mutex_.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_INDEX_H_
