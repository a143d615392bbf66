// SPDX-License-Identifier: Apache-2.0
//
// Reads and writes the tables `usage` and `ranks`, which order all content for the eviction. Stored
// content has one usage record, and each usage record has one rank, unless records are damaged.

#include <algorithm>
#include <chrono>
#include <utility>

#include "layby/policy/eviction.h"
#include "store/index.h"

namespace layby::store {

Result<std::optional<UsageRecord>> Txn::find_usage(const Content& content) const {
  auto value = index_.get(txn_, index_.tables_.usage, content_key(content));
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<UsageRecord>();
  Result<UsageRecord> record = decode_usage(**value);
  if (!record) return std::move(record).error();
  return std::optional(*record);
}

Status Txn::each_ranked(const std::function<bool(const Ranked&)>& visit) const {
  return scan(index_.tables_.ranks, "", [&](std::string_view key, std::string_view) {
    const Result<Ranked> ranked = decode_rank_key(key);
    return !ranked || visit(*ranked);
  });
}

Status Txn::each_usage(const std::function<bool(const Content&, const UsageRecord&)>& visit) const {
  return scan(index_.tables_.usage, "", [&](std::string_view key, std::string_view value) {
    const Result<Content> content = decode_content_key(key);
    const Result<UsageRecord> usage = decode_usage(value);
    return !content || !usage || visit(*content, *usage);
  });
}

// Content that is put again keeps its usage. A damaged usage record is replaced by a new record.
// The rank of the damaged record then has no usage record, so eviction erases this rank and evicts
// nothing for it.
Status WriteTxn::store_usage(const Content& content, std::uint64_t size_bytes, WallTime now) {
  Result<std::optional<UsageRecord>> before = find_usage(content);
  if (!before && before.error().code != ErrorCode::kCorrupt) return std::move(before).error();
  const bool known = before.ok() && before->has_value();
  UsageRecord usage = known ? **before : UsageRecord{size_bytes, now, 1, 0};
  usage.size_bytes = size_bytes;
  return put_usage(content, known ? std::optional(**before) : std::nullopt, usage);
}

Status WriteTxn::touch(const Content& content, std::uint32_t hits, WallTime used_at) {
  const Result<std::optional<UsageRecord>> before = find_usage(content);
  if (!before) return before.error().code == ErrorCode::kCorrupt ? Status() : before.error();
  if (!before->has_value()) return {};
  UsageRecord usage = **before;
  const std::uint64_t sum = std::uint64_t{usage.hits} + hits;
  usage.hits = static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, UINT32_MAX));
  // If hits is 0, used_at rises by at least 1 ms, so that used_at is later than the time of
  // storing.
  const WallTime least = hits == 0 ? usage.used_at + std::chrono::milliseconds(1) : usage.used_at;
  usage.used_at = std::max(least, used_at);
  return put_usage(content, **before, usage);
}

Status WriteTxn::put_usage(const Content& content, const std::optional<UsageRecord>& before,
                           UsageRecord now) {
  now.rank = policy::rank(totals_.clock, now.hits, now.size_bytes);
  if (before == now) return {};
  if (before && before->rank != now.rank) {
    if (Status gone = erase_rank(before->rank, content); !gone) return gone;
  }
  if (Status kept =
          put(index_.tables_.usage, content_key(content), encode(now), "write usage to the index");
      !kept) {
    return kept;
  }
  if (before && before->rank == now.rank) return {};
  return put(index_.tables_.ranks, rank_key(now.rank, content), "", "write a rank to the index");
}

Status WriteTxn::erase_rank(std::uint64_t rank, const Content& content) {
  return erase(index_.tables_.ranks, rank_key(rank, content), "erase a rank from the index");
}

// A scan of the tree has visited the key, so if a search doesn't find the key, the tree is damaged.
// Without the error, eviction would visit the key again and again.
Status WriteTxn::take_rank(std::uint64_t rank, const Content& content) {
  const std::string key = rank_key(rank, content);
  MDB_val at = to_val(key);
  const int code = mdb_del(txn_, index_.tables_.ranks, &at, nullptr);
  if (code == 0) return {};
  return index_.error("erase a rank from the index", code == MDB_NOTFOUND ? MDB_CORRUPTED : code);
}

Status WriteTxn::erase_usage(const Content& content) {
  const Result<std::optional<UsageRecord>> usage = find_usage(content);
  if (!usage && usage.error().code != ErrorCode::kCorrupt) return usage.error();
  if (usage && usage->has_value()) {
    if (Status gone = erase_rank((*usage)->rank, content); !gone) return gone;
  }
  return erase(index_.tables_.usage, content_key(content), "erase usage from the index");
}

}  // namespace layby::store
