// SPDX-License-Identifier: Apache-2.0
//
// The reads and writes of the transactions in each table. Invariants of every commit, unless
// records are damaged: stored content has one usage record, each usage record has one rank, and the
// totals are the sums over all entries.

#include <algorithm>
#include <cassert>
#include <set>
#include <utility>

#include "layby/policy/eviction.h"
#include "store/index.h"

namespace layby::store {

ReadTxn::ReadTxn(ReadTxn&& other) noexcept
    : Txn(static_cast<Txn&&>(other)), own_(std::move(other.own_)) {
  other.txn_ = nullptr;
}

ReadTxn::~ReadTxn() {
  if (txn_ != nullptr && !own_) mdb_txn_reset(txn_);
}

Result<std::optional<BlobRecord>> Txn::find_blob(const oci::Digest& digest) const {
  auto value = index_.get(txn_, index_.tables_.blobs, digest_key(digest));
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<BlobRecord>();
  Result<BlobRecord> record = decode_blob(**value);
  if (!record) return std::move(record).error();
  return std::optional(*record);
}

Result<std::optional<cache::StoredManifest>> Txn::find_manifest(const oci::Digest& digest) const {
  auto value = index_.get(txn_, index_.tables_.manifests, digest_key(digest));
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<cache::StoredManifest>();
  Result<ManifestRecord> record = decode_manifest(**value);
  if (!record) return std::move(record).error();
  return std::optional(cache::StoredManifest{std::make_shared<const std::string>(record->bytes),
                                             std::move(record->media_type)});
}

Result<std::optional<WallTime>> Txn::find_stored_at(const oci::Digest& manifest) const {
  auto value = index_.get(txn_, index_.tables_.manifests, digest_key(manifest));
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<WallTime>();
  const Result<ManifestRecord> record = decode_manifest(**value);
  if (!record) return record.error();
  return std::optional(record->stored_at);
}

Result<std::optional<cache::RepositoryKey>> Txn::find_origin(const oci::Digest& manifest) const {
  auto value = index_.get(txn_, index_.tables_.origins, digest_key(manifest));
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<cache::RepositoryKey>();
  Result<PinRecord> record = decode_pin(**value);
  if (!record) return std::move(record).error();
  return std::optional(
      cache::RepositoryKey{std::move(record->upstream), std::move(record->repository)});
}

Result<std::optional<cache::StoredTag>> Txn::find_tag(const cache::TagKey& key) const {
  Result<std::string> wanted = tag_key(key);
  if (!wanted) return std::optional<cache::StoredTag>();  // The name is too long to be stored.
  auto value = index_.get(txn_, index_.tables_.tags, *wanted);
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<cache::StoredTag>();
  Result<TagRecord> record = decode_tag(**value);
  if (!record) return std::move(record).error();
  return std::optional(std::move(record->tag));
}

Result<bool> Txn::is_pinned(const cache::TagKey& key) const {
  return is_in_pins(index_.tables_.pins, key);
}

Result<bool> Txn::is_list_pinned(const cache::TagKey& key) const {
  return is_in_pins(index_.tables_.list_pins, key);
}

Result<bool> Txn::is_in_pins(MDB_dbi table, const cache::TagKey& key) const {
  Result<std::string> wanted = tag_key(key);
  if (!wanted) return false;
  auto value = index_.get(txn_, table, *wanted);
  if (!value) return std::move(value).error();
  return value->has_value();
}

Result<std::optional<std::string>> Txn::find_note(std::string_view name) const {
  auto value = index_.get(txn_, index_.tables_.meta, name);
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<std::string>();
  return std::optional(std::string(**value));
}

Status Txn::scan(MDB_dbi table, std::string_view from, const Visit& visit) const {
  assert(txn_ != nullptr);
  MDB_cursor* raw = nullptr;
  if (const int code = mdb_cursor_open(txn_, table, &raw)) {
    return index_.error("read a table of the index", code);
  }
  const CursorPtr cursor(raw);
  MDB_val key = to_val(from);
  MDB_val value{};
  int code = mdb_cursor_get(raw, &key, &value, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
  while (code == 0 && visit(to_view(key), to_view(value))) {
    code = mdb_cursor_get(raw, &key, &value, MDB_NEXT);
  }
  if (code == 0 || code == MDB_NOTFOUND) return {};
  return index_.error("read a table of the index", code);
}

Result<std::vector<std::string>> Txn::list_tags(std::string_view upstream,
                                                std::string_view repository) const {
  const std::string prefix = tag_prefix(upstream, repository);
  std::vector<std::string> names;
  const Status read =
      scan(index_.tables_.tags, prefix, [&](std::string_view key, std::string_view) {
        if (!key.starts_with(prefix)) return false;
        names.emplace_back(key.substr(prefix.size()));
        return true;
      });
  if (!read) return read.error();
  return names;
}

Status Txn::each_tag(
    const std::function<bool(const cache::TagKey&, const cache::StoredTag&)>& visit) const {
  return scan(index_.tables_.tags, "", [&](std::string_view key, std::string_view value) {
    Result<TagRecord> record = decode_tag(value);
    if (!record || key.size() < kTagPrefixBytes) return true;
    return visit({record->upstream, record->repository, std::string(key.substr(kTagPrefixBytes))},
                 record->tag);
  });
}

Status Txn::each_pin(const std::function<bool(const cache::TagKey&)>& visit) const {
  return scan_pins(index_.tables_.pins, visit);
}

Status Txn::each_list_pin(const std::function<bool(const cache::TagKey&)>& visit) const {
  return scan_pins(index_.tables_.list_pins, visit);
}

Status Txn::scan_pins(MDB_dbi table, const std::function<bool(const cache::TagKey&)>& visit) const {
  return scan(table, "", [&](std::string_view key, std::string_view value) {
    Result<PinRecord> record = decode_pin(value);
    if (!record || key.size() < kTagPrefixBytes) return true;
    return visit({record->upstream, record->repository, std::string(key.substr(kTagPrefixBytes))});
  });
}

Status Txn::each_trash(const std::function<bool(const oci::Digest&)>& visit) const {
  return scan(index_.tables_.trash, "", [&](std::string_view key, std::string_view) {
    const Result<oci::Digest> digest = decode_digest_key(key);
    return !digest || visit(*digest);
  });
}

Status Txn::each_blob(
    const std::optional<oci::Digest>& after,
    const std::function<bool(const oci::Digest&, const BlobRecord&)>& visit) const {
  const std::string from = after ? digest_key(*after) : std::string();
  return scan(index_.tables_.blobs, from, [&](std::string_view key, std::string_view value) {
    const Result<oci::Digest> digest = decode_digest_key(key);
    const Result<BlobRecord> record = decode_blob(value);
    return !digest || !record || key == from || visit(*digest, *record);
  });
}

Status Txn::each_manifest(
    const std::function<bool(const oci::Digest&, const ManifestRecord&)>& visit) const {
  return scan(index_.tables_.manifests, "", [&](std::string_view key, std::string_view value) {
    const Result<oci::Digest> digest = decode_digest_key(key);
    const Result<ManifestRecord> record = decode_manifest(value);
    return !digest || !record || visit(*digest, *record);
  });
}

Status WriteTxn::put(MDB_dbi table, std::string_view key, std::string_view value,
                     const char* what) {
  note_change(table, false, key, value);
  return put_here(table, key, value, what);
}

Status WriteTxn::put_here(MDB_dbi table, std::string_view key, std::string_view value,
                          const char* what) {
  assert(own_ && !key.empty() && key.size() <= kMaxKeyBytes);
  MDB_val at = to_val(key);
  MDB_val data = to_val(value);
  const int code = mdb_put(txn_, table, &at, &data, 0);
  return code == 0 ? Status() : Status(index_.error(what, code));
}

Status WriteTxn::erase(MDB_dbi table, std::string_view key, const char* what) {
  assert(own_);
  MDB_val at = to_val(key);
  const int code = mdb_del(txn_, table, &at, nullptr);
  if (code == 0) note_change(table, true, key, "");
  return code == 0 || code == MDB_NOTFOUND ? Status() : Status(index_.error(what, code));
}

// Subtracts the blob of `key` from the totals. The size of a blob with a damaged record is unknown,
// so the totals stay too high by this size until a rebuild.
Status WriteTxn::subtract_blob(std::string_view key) {
  auto value = index_.get(txn_, index_.tables_.blobs, key);
  if (!value) return std::move(value).error();
  if (!value->has_value()) return {};
  if (totals_.blobs > 0) --totals_.blobs;
  Result<BlobRecord> record = decode_blob(**value);
  if (record) totals_.blob_bytes -= std::min(totals_.blob_bytes, record->size_bytes);
  return {};
}

Status WriteTxn::subtract_manifest(std::string_view key) {
  auto value = index_.get(txn_, index_.tables_.manifests, key);
  if (!value) return std::move(value).error();
  if (!value->has_value()) return {};
  Result<ManifestRecord> record = decode_manifest(**value);
  if (record) totals_.manifest_bytes -= std::min(totals_.manifest_bytes, record->bytes.size());
  return {};
}

Status WriteTxn::put_blob(const oci::Digest& digest, const BlobRecord& record) {
  const std::string key = digest_key(digest);
  if (Status subtracted = subtract_blob(key); !subtracted) return subtracted;
  ++totals_.blobs;
  totals_.blob_bytes += record.size_bytes;
  if (Status kept = put(index_.tables_.blobs, key, encode(record), "write a blob to the index");
      !kept) {
    return kept;
  }
  if (Status cleared = clear_trash(digest); !cleared) return cleared;
  return store_usage({ContentKind::kBlob, digest}, record.size_bytes, record.published_at);
}

Status WriteTxn::put_manifest(const oci::Digest& digest, const ManifestRecord& record) {
  Result<std::string> value = encode(record);
  if (!value) return std::move(value).error();
  const std::string key = digest_key(digest);
  if (Status subtracted = subtract_manifest(key); !subtracted) return subtracted;
  totals_.manifest_bytes += record.bytes.size();
  if (Status kept = put(index_.tables_.manifests, key, *value, "write a manifest to the index");
      !kept) {
    return kept;
  }
  return store_usage({ContentKind::kManifest, digest}, record.bytes.size(), record.stored_at);
}

Status WriteTxn::put_origin(const oci::Digest& manifest, const cache::RepositoryKey& from,
                            WallTime now) {
  return put(index_.tables_.origins, digest_key(manifest),
             encode(PinRecord{now, from.upstream, from.repository}), "write to the index");
}

Status WriteTxn::put_tag(const cache::TagKey& key, const cache::StoredTag& tag) {
  Result<std::string> at = tag_key(key);
  if (!at) return std::move(at).error();
  const std::string value = encode(TagRecord{tag, key.upstream, key.repository});
  // A tag with the same digest is not written to the ledger again.
  const Result<std::optional<cache::StoredTag>> before = find_tag(key);
  const bool same = before && before->has_value() && (*before)->digest == tag.digest;
  if (!same) note_change(index_.tables_.tags, false, *at, value);
  return put_here(index_.tables_.tags, *at, value, "write a tag to the index");
}

Status WriteTxn::put_pin(const cache::TagKey& key, WallTime since) {
  return put_pin_in(index_.tables_.pins, key, since);
}

Status WriteTxn::put_pin_in(MDB_dbi table, const cache::TagKey& key, WallTime since) {
  Result<std::string> at = tag_key(key);
  if (!at) return std::move(at).error();
  return put(table, *at, encode(PinRecord{since, key.upstream, key.repository}),
             "write a pin to the index");
}

// Only changes are written, so a list that is set again without a change writes nothing to the
// disk.
Status WriteTxn::set_list_pins(const std::vector<cache::TagKey>& keys, WallTime since) {
  const std::set<cache::TagKey> wanted(keys.begin(), keys.end());
  std::set<cache::TagKey> there;
  Status read = each_list_pin([&there](const cache::TagKey& key) {
    there.insert(key);
    return true;
  });
  if (!read) return read;
  for (const cache::TagKey& key : there) {
    if (wanted.contains(key)) continue;
    Status gone = erase(index_.tables_.list_pins, *tag_key(key), "erase a pin from the index");
    if (!gone) return gone;
  }
  for (const cache::TagKey& key : wanted) {
    if (there.contains(key)) continue;
    Status kept = put_pin_in(index_.tables_.list_pins, key, since);
    if (!kept) return kept;
  }
  return {};
}

Status WriteTxn::erase_blob(const oci::Digest& digest) {
  const std::string key = digest_key(digest);
  if (Status subtracted = subtract_blob(key); !subtracted) return subtracted;
  if (Status gone = erase(index_.tables_.blobs, key, "erase a blob from the index"); !gone) {
    return gone;
  }
  if (Status gone = erase_stray_grants(digest); !gone) return gone;
  return erase_usage({ContentKind::kBlob, digest});
}

Status WriteTxn::erase_manifest(const oci::Digest& digest) {
  const std::string key = digest_key(digest);
  if (Status subtracted = subtract_manifest(key); !subtracted) return subtracted;
  if (Status gone = erase(index_.tables_.manifests, key, "erase a manifest from the index");
      !gone) {
    return gone;
  }
  if (Status gone = erase(index_.tables_.origins, key, "write to the index"); !gone) return gone;
  if (Status gone = erase_stray_grants(digest); !gone) return gone;
  return erase_usage({ContentKind::kManifest, digest});
}

Status WriteTxn::erase_tag(const cache::TagKey& key) {
  const Result<std::string> at = tag_key(key);
  return at ? erase(index_.tables_.tags, *at, "erase a tag from the index") : Status();
}

Status WriteTxn::erase_pin(const cache::TagKey& key) {
  const Result<std::string> at = tag_key(key);
  return at ? erase(index_.tables_.pins, *at, "erase a pin from the index") : Status();
}

// The entry in trash is put first, so that erase_blob() keeps the grants: a fill may use the file
// again.
Status WriteTxn::trash_blob(const oci::Digest& digest) {
  const std::string key = digest_key(digest);
  if (Status put = this->put(index_.tables_.trash, key, "", "write to the index"); !put) return put;
  return erase_blob(digest);
}

Status WriteTxn::clear_trash(const oci::Digest& digest) {
  const Status gone = erase(index_.tables_.trash, digest_key(digest), "write to the index");
  return gone ? erase_stray_grants(digest) : gone;
}

void WriteTxn::advance_clock(std::uint64_t rank) {
  totals_.clock = policy::clock_after(totals_.clock, rank);
}

Status WriteTxn::migrate_usage(const Content& content, const UsageRecord& usage) {
  if (content.kind == ContentKind::kManifest) {
    const Result<std::optional<UsageRecord>> before = find_usage(content);
    if (before && !before->has_value()) totals_.manifest_bytes += usage.size_bytes;
  }
  return store_usage(content, usage.size_bytes, usage.used_at);
}

Status WriteTxn::put_version() { return put_note("format", encode_version(kFormatVersion)); }

Status WriteTxn::put_note(std::string_view name, std::string_view value) {
  return put(index_.tables_.meta, name, value, "write to the index");
}

Status WriteTxn::erase_note(std::string_view name) {
  return erase(index_.tables_.meta, name, "write to the index");
}

}  // namespace layby::store
