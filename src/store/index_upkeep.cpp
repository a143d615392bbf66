// SPDX-License-Identifier: Apache-2.0
//
// What happens to an index between opening it and using it: one of an older version is
// brought to the present one, and one in whose use the process crashed is read from end
// to end first. LMDB has no checksums, so a damaged page shows as an error, or as a
// crash when it leads astray. A handler of fatal signals then leaves the file `suspect`
// (see layby/store/suspicion.h); it is renamed to `checking` while the index is read,
// and a start that finds that name knows that the reading crashed too.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "layby/base/log.h"
#include "store/disk_error.h"
#include "store/index.h"

namespace layby::store {
namespace {

// So many in one transaction: LMDB holds its dirty pages in RAM.
constexpr std::size_t kMigrationBatch = 10'000;

}  // namespace

Status Index::check_suspect() {
  const std::string suspect = path("suspect");
  const std::string checking = path("checking");
  if (::access(checking.c_str(), F_OK) == 0) {
    return Error{ErrorCode::kCorrupt, "reading the index " + directory_ + " crashed twice"};
  }
  if (std::rename(suspect.c_str(), checking.c_str()) != 0) {
    return errno == ENOENT ? Status() : Status(disk_error("rename", suspect, errno));
  }
  log::warn("layby crashed; reading the whole index {} to see that it is sound", directory_);
  Result<ReadTxn> txn = snapshot();
  if (!txn) return std::move(txn).error();
  for (const MDB_dbi table : {tables_.meta, tables_.blobs, tables_.manifests, tables_.tags,
                              tables_.usage, tables_.ranks, tables_.pins, tables_.trash}) {
    std::size_t bytes = 0;
    const Status read = txn->scan(table, "", [&bytes](std::string_view, std::string_view value) {
      for (const char byte : value) bytes += static_cast<unsigned char>(byte);
      return true;
    });
    if (!read) return Error{ErrorCode::kCorrupt, read.error().message};
  }
  ::unlink(checking.c_str());
  return {};
}

// Version 1 had no usage and no ranks. What was published last is taken to have been
// used last. Stopped in the middle, it is begun again and finds some of it done.
Status Index::migrate(std::uint32_t version) {
  if (version == kFormatVersion) return {};
  log::info("bringing the index {} from format {} to {}", directory_, version, kFormatVersion);
  std::vector<std::pair<Content, UsageRecord>> found;
  {
    Result<ReadTxn> txn = snapshot();
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
    Result<WriteTxn> txn = write();
    if (!txn) return std::move(txn).error();
    for (const std::size_t end = at + kMigrationBatch; at < end && at < found.size(); ++at) {
      if (Status kept = txn->migrate_usage(found[at].first, found[at].second); !kept) return kept;
    }
    if (Status done = txn->commit(); !done) return done;
  }
  Result<WriteTxn> txn = write();
  if (!txn) return std::move(txn).error();
  if (Status put = txn->put_version(); !put) return put;
  return txn->commit();
}

}  // namespace layby::store
