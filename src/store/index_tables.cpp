// SPDX-License-Identifier: Apache-2.0
//
// What the transactions read and write in each table.

#include <algorithm>
#include <utility>

#include "store/index.h"

namespace layby::store {

ReadTxn::ReadTxn(ReadTxn&& other) noexcept
    : index_(other.index_), txn_(std::exchange(other.txn_, nullptr)) {}

ReadTxn::~ReadTxn() {
  if (txn_ != nullptr) mdb_txn_reset(txn_);
}

Result<std::optional<BlobRecord>> ReadTxn::find_blob(const oci::Digest& digest) const {
  auto value = index_.get(txn_, index_.tables_.blobs, digest_key(digest));
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<BlobRecord>();
  Result<BlobRecord> record = decode_blob(**value);
  if (!record) return std::move(record).error();
  return std::optional(*record);
}

Result<std::optional<cache::StoredManifest>> ReadTxn::find_manifest(
    const oci::Digest& digest) const {
  auto value = index_.get(txn_, index_.tables_.manifests, digest_key(digest));
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<cache::StoredManifest>();
  Result<ManifestRecord> record = decode_manifest(**value);
  if (!record) return std::move(record).error();
  return std::optional(cache::StoredManifest{std::make_shared<const std::string>(record->bytes),
                                             std::move(record->media_type)});
}

Result<std::optional<cache::StoredTag>> ReadTxn::find_tag(const cache::TagKey& key) const {
  Result<std::string> wanted = tag_key(key);
  if (!wanted) return std::optional<cache::StoredTag>();  // Too long to be in there.
  auto value = index_.get(txn_, index_.tables_.tags, *wanted);
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<cache::StoredTag>();
  Result<TagRecord> record = decode_tag(**value);
  if (!record) return std::move(record).error();
  return std::optional(std::move(record->tag));
}

Result<std::vector<std::string>> ReadTxn::list_tags(std::string_view upstream,
                                                    std::string_view repository) const {
  MDB_cursor* raw = nullptr;
  if (const int code = mdb_cursor_open(txn_, index_.tables_.tags, &raw)) {
    return index_.error("list tags of the index", code);
  }
  const CursorPtr cursor(raw);
  const std::string prefix = tag_prefix(upstream, repository);
  std::vector<std::string> names;
  MDB_val key = to_val(prefix);
  MDB_val value{};
  int code = mdb_cursor_get(raw, &key, &value, MDB_SET_RANGE);
  while (code == 0 && to_view(key).starts_with(prefix)) {
    names.emplace_back(to_view(key).substr(prefix.size()));
    code = mdb_cursor_get(raw, &key, &value, MDB_NEXT);
  }
  if (code != 0 && code != MDB_NOTFOUND) return index_.error("list tags of the index", code);
  return names;
}

Status WriteTxn::put(MDB_dbi table, std::string_view key, std::string_view value,
                     const char* what) {
  MDB_val at = to_val(key);
  MDB_val data = to_val(value);
  const int code = mdb_put(txn_.get(), table, &at, &data, 0);
  return code == 0 ? Status() : Status(index_.error(what, code));
}

// Takes the blob that `key` stands for out of the totals. A record that can't be read
// counted with an unknown size; the totals are then too high until a rebuild.
Status WriteTxn::subtract_blob(std::string_view key) {
  auto value = index_.get(txn_.get(), index_.tables_.blobs, key);
  if (!value) return std::move(value).error();
  if (!value->has_value()) return {};
  if (totals_.blobs > 0) --totals_.blobs;
  Result<BlobRecord> record = decode_blob(**value);
  if (record) totals_.blob_bytes -= std::min(totals_.blob_bytes, record->size_bytes);
  return {};
}

Status WriteTxn::put_blob(const oci::Digest& digest, const BlobRecord& record) {
  const std::string key = digest_key(digest);
  if (Status subtracted = subtract_blob(key); !subtracted) return subtracted;
  ++totals_.blobs;
  totals_.blob_bytes += record.size_bytes;
  return put(index_.tables_.blobs, key, encode(record), "write a blob to the index");
}

Status WriteTxn::erase_blob(const oci::Digest& digest) {
  const std::string key = digest_key(digest);
  if (Status subtracted = subtract_blob(key); !subtracted) return subtracted;
  MDB_val at = to_val(key);
  const int code = mdb_del(txn_.get(), index_.tables_.blobs, &at, nullptr);
  if (code == 0 || code == MDB_NOTFOUND) return {};
  return index_.error("erase a blob from the index", code);
}

Status WriteTxn::put_manifest(const oci::Digest& digest, const ManifestRecord& record) {
  Result<std::string> value = encode(record);
  if (!value) return std::move(value).error();
  return put(index_.tables_.manifests, digest_key(digest), *value, "write a manifest to the index");
}

Status WriteTxn::put_tag(const cache::TagKey& key, const cache::StoredTag& tag) {
  Result<std::string> at = tag_key(key);
  if (!at) return std::move(at).error();
  return put(index_.tables_.tags, *at, encode(TagRecord{tag, key.upstream, key.repository}),
             "write a tag to the index");
}

}  // namespace layby::store
