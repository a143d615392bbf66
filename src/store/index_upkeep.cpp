// SPDX-License-Identifier: Apache-2.0
//
// The checks and conversions of an index before its first use. An index of an older version is
// converted to the present version. After a crash, the whole index is read before it is converted.
// LMDB has no checksums, so a damaged page causes an error or a crash only when the page is read. A
// handler of fatal signals leaves the file `suspect` (suspicion_path in layby/store/disk_store.h).
// A start renames `suspect` to `checking` and reads the index. A start that finds `checking` knows
// that the reading crashed too.

#include <fcntl.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "layby/base/log.h"
#include "store/aside.h"
#include "store/disk_error.h"
#include "store/folder_sync.h"
#include "store/index.h"

namespace layby::store {
namespace {

// How many entries one transaction converts. The number is limited, since LMDB keeps changed pages
// in RAM.
constexpr std::size_t kMigrationBatch = 10'000;

}  // namespace

// If something other than a regular file is in the place of a file of the index, moves the thing to
// quarantine/. If data.mdb is missing, a new index is made.
Status Index::clear_places() {
  const std::string data_dir = directory_.substr(0, directory_.rfind('/'));
  for (const char* name : {"data.mdb", "lock.mdb", "damaged.mdb", "suspect", "checking"}) {
    if (Status cleared = clear_place(data_dir, path(name)); !cleared) return cleared;
  }
  return {};
}

// Runs before LMDB opens the index, since opening a damaged index may crash.
Status Index::begin_checking() {
  const std::string suspect = path("suspect");
  const std::string checking = path("checking");
  if (Status cleared = clear_places(); !cleared) return cleared;
  if (::access(checking.c_str(), F_OK) == 0) {
    return Error{ErrorCode::kCorrupt, "layby crashed while it checked the index " + directory_};
  }
  checking_ = std::rename(suspect.c_str(), checking.c_str()) == 0;
  if (checking_ || errno == ENOENT) return {};
  return disk_error("rename", suspect, errno);
}

Status Index::end_checking() {
  if (!checking_) return {};
  log::warn("layby crashed in an earlier run; checking the whole index {}", directory_);
  if (Status sound = check_sound(); !sound) return sound;
  ::unlink(path("checking").c_str());
  checking_ = false;
  // If a power cut brought the name `checking` back, the next start would drop the whole index.
  return sync_folder(directory_);
}

// Reads every page that is in use, including the pages of LMDB's own two tables. LMDB aborts
// the process on some kinds of damage; the next start then finds `checking`.
Status Index::check_sound() {
  constexpr MDB_dbi kFreePages = 0;
  constexpr MDB_dbi kTableOfTables = 1;
  Result<ReadTxn> txn = begin_read({});
  if (!txn) return std::move(txn).error();
  for (const MDB_dbi table :
       {kFreePages, kTableOfTables, tables_.meta, tables_.blobs, tables_.manifests, tables_.tags,
        tables_.usage, tables_.ranks, tables_.pins, tables_.list_pins, tables_.trash,
        tables_.grants, tables_.origins}) {
    std::size_t bytes = 0;
    std::size_t entries = 0;
    const Status read = txn->scan(table, "", [&](std::string_view, std::string_view value) {
      for (const char byte : value) bytes += static_cast<unsigned char>(byte);
      ++entries;
      return true;
    });
    if (!read) return Error{ErrorCode::kCorrupt, read.error().message};
    MDB_stat stat{};
    const int code = mdb_stat(txn->txn_, table, &stat);
    if (table == kFreePages && code == EINVAL) continue;
    if (code != 0 || stat.ms_entries != entries) {
      return error("check the index", code != 0 ? code : MDB_CORRUPTED);
    }
  }
  return {};
}

// An index of version 2 has no grants, so none of its content is private.
Status Index::migrate(std::uint32_t version) {
  assert(version >= kOldestVersion && version <= kFormatVersion);
  if (version == kFormatVersion) return {};
  log::info("converting the index {} from format {} to {}", directory_, version, kFormatVersion);
  if (version == 1) {
    if (Status migrated = migrate_from_1(); !migrated) return migrated;
  }
  Result<WriteTxn> txn = begin_write({});
  if (!txn) return std::move(txn).error();
  if (Status put = txn->put_version(); !put) return put;
  return txn->commit();
}

// An index of version 1 has no usage and no ranks, so content counts as last used when it was
// stored. An interrupted conversion begins again at the next start; an entry that is converted
// twice does no harm.
Status Index::migrate_from_1() {
  std::vector<std::pair<Content, UsageRecord>> found;
  {
    Result<ReadTxn> txn = begin_read({});
    if (!txn) return std::move(txn).error();
    Status read = txn->each_blob({}, [&found](const oci::Digest& digest, const BlobRecord& blob) {
      found.push_back({{ContentKind::kBlob, digest}, {blob.size_bytes, blob.published_at, 1, 0}});
      return true;
    });
    if (!read) return read;
    read = txn->each_manifest([&found](const oci::Digest& digest, const ManifestRecord& record) {
      found.push_back(
          {{ContentKind::kManifest, digest}, {record.bytes.size(), record.stored_at, 1, 0}});
      return true;
    });
    if (!read) return read;
  }
  for (std::size_t at = 0; at < found.size();) {
    Result<WriteTxn> txn = begin_write({});
    if (!txn) return std::move(txn).error();
    for (const std::size_t end = at + kMigrationBatch; at < end && at < found.size(); ++at) {
      if (Status kept = txn->migrate_usage(found[at].first, found[at].second); !kept) return kept;
    }
    if (Status done = txn->commit(); !done) return done;
  }
  return {};
}

}  // namespace layby::store
