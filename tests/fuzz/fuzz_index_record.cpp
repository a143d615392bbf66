// SPDX-License-Identifier: Apache-2.0
//
// The keys and values of the index. The whole input is read as each kind of key and value. If the
// input is accepted, the decoded value encodes to the same bytes. A refused input gives the error
// kCorrupt. Records and keys are also made from numbers of the input, and must read back the same.
// The first three lines of the input also name a tag, whose keys must be found by their prefixes.

#include <chrono>
#include <limits>
#include <string>

#include "require.h"
#include "store/records.h"

namespace layby::fuzz {
namespace {

using namespace layby::store;

std::string bytes_of(std::string value) { return value; }

std::string bytes_of(Result<std::string> value) {
  require(value.ok(), "a record that was read can be written");
  return *std::move(value);
}

// `encoded` gives the bytes of a decoded key or value.
template <typename T, typename Encode>
void check_same(const Result<T>& decoded, std::string_view bytes, Encode encoded) {
  if (decoded.ok()) return require(bytes_of(encoded(*decoded)) == bytes, "the bytes come back");
  require(decoded.error().code == ErrorCode::kCorrupt, "a refusal is kCorrupt");
  require(!decoded.error().message.empty(), "a refusal says what is damaged");
}

constexpr auto kEncode = [](const auto& record) { return encode(record); };

void check_values(std::string_view bytes) {
  check_same(decode_blob(bytes), bytes, kEncode);
  check_same(decode_manifest(bytes), bytes, kEncode);
  check_same(decode_tag(bytes), bytes, kEncode);
  check_same(decode_usage(bytes), bytes, kEncode);
  check_same(decode_pin(bytes), bytes, kEncode);
  check_same(decode_scrub(bytes), bytes, kEncode);
  check_same(decode_served(bytes), bytes, kEncode);
  check_same(decode_version(bytes), bytes, encode_version);
}

// Totals of version 1 are shorter than the totals that are written.
void check_totals(std::string_view bytes) {
  const Result<Totals> totals = decode_totals(bytes);
  if (!totals) return require(totals.error().code == ErrorCode::kCorrupt, "a refusal is kCorrupt");
  const std::string written = encode(*totals);
  require(written.starts_with(bytes), "totals begin with the bytes that were read");
  const Result<Totals> again = decode_totals(written);
  require(again.ok() && *again == *totals, "totals read back");
}

void check_keys_of(const oci::Digest& digest, const cache::RepositoryKey& repository) {
  const std::string key = digest_key(digest);
  const std::string grant = grant_key(digest, repository);
  require(grant.starts_with(key) && private_key(digest).starts_with(key),
          "a digest's grants begin with its key");
  require(grant.size() == private_key(digest).size(), "all grants of a digest have one length");
  require(private_key(digest) <= grant, "the private mark sorts before the grants");
}

void check_ranked(const Ranked& ranked) {
  if (ranked.rank == std::numeric_limits<std::uint64_t>::max()) return;
  const Content last{ContentKind::kManifest, oci::Digest::of("last")};
  require(rank_key(ranked.rank, ranked.content) < rank_key(ranked.rank + 1, last) &&
              rank_key(ranked.rank, last) < rank_key(ranked.rank + 1, ranked.content),
          "keys sort by rank");
}

void check_keys(std::string_view bytes, const cache::RepositoryKey& repository) {
  const auto digest = decode_digest_key(bytes);
  check_same(digest, bytes, digest_key);
  if (digest) check_keys_of(*digest, repository);
  const auto content = decode_content_key(bytes);
  check_same(content, bytes, content_key);
  const auto ranked = decode_rank_key(bytes);
  check_same(ranked, bytes, [](const Ranked& it) { return rank_key(it.rank, it.content); });
  if (ranked) check_ranked(*ranked);
}

void check_tag_key(const cache::TagKey& tag) {
  const Result<std::string> key = tag_key(tag);
  if (!key) {
    return require(key.error().code == ErrorCode::kInvalid, "a tag that is too long is kInvalid");
  }
  require(key->size() <= kMaxKeyBytes, "a key keeps to the limit of LMDB");
  const std::string prefix = tag_prefix(tag.upstream, tag.repository);
  require(prefix.size() == kTagPrefixBytes && *key == prefix + tag.tag,
          "a tag's name follows its prefix");
  const auto pin = decode_pin(encode(PinRecord{WallTime(), tag.upstream, tag.repository}));
  require(pin.ok() && pin->upstream == tag.upstream && pin->repository == tag.repository,
          "the names of every key fit into a record");
}

WallTime time_of(std::uint64_t number) {
  return WallTime(std::chrono::milliseconds(number % (std::uint64_t{1} << 43)));
}

// `written` is an encoded record, and `decoded` is what was read from it.
void check_written(const std::string& written, const auto& decoded) {
  require(decoded.ok() && bytes_of(encode(*decoded)) == written, "what is written reads back");
}

// Makes records from a number in the input and from the digest of the input.
void check_made(std::string_view bytes) {
  const oci::Digest digest = oci::Digest::of(bytes);
  const std::uint64_t number = take_number(bytes);
  const WallTime time = time_of(take_number(bytes));
  const std::string blob = encode(BlobRecord{number, time});
  check_written(blob, decode_blob(blob));
  const std::string usage = encode(UsageRecord{number, time, 7, ~number});
  check_written(usage, decode_usage(usage));
  const std::string tag = encode(TagRecord{{digest, time}, "docker.io", "library/debian"});
  check_written(tag, decode_tag(tag));
  const std::string scrub = encode(ScrubNote{time, time_of(number), digest});
  check_written(scrub, decode_scrub(scrub));
  const std::string totals = encode(Totals{number, ~number, 1, 2});
  check_written(totals, decode_totals(totals));
  const std::string served = encode(ServedTotals{number, ~number});
  check_written(served, decode_served(served));
  const auto manifest = encode(ManifestRecord{time, "a/b", bytes});
  require(manifest.ok(), "a record of a manifest can be written");
  check_written(*manifest, decode_manifest(*manifest));
}

void check_made_keys(std::string_view bytes) {
  const oci::Digest digest = oci::Digest::of(bytes);
  const Content content{ContentKind::kManifest, digest};
  const std::uint64_t rank = take_number(bytes);
  require(decode_digest_key(digest_key(digest)).value() == digest, "a digest reads back");
  require(decode_content_key(content_key(content)).value() == content, "content reads back");
  const Ranked ranked = decode_rank_key(rank_key(rank, content)).value();
  require(ranked.rank == rank && ranked.content == content, "a rank reads back");
}

void check(std::string_view bytes) {
  std::string_view text = bytes;
  const std::string upstream(take_line(text));
  const std::string repository(take_line(text));
  check_values(bytes);
  check_totals(bytes);
  check_keys(bytes, {upstream, repository});
  check_made(bytes);
  check_made_keys(bytes);
  check_tag_key({upstream, repository, std::string(take_line(text))});
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
