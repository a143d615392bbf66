// SPDX-License-Identifier: Apache-2.0
//
// Keys and values of the index as bytes; FORMAT.md is their specification. Pure
// functions. Integers are little-endian with a fixed width. Decoding trusts nothing:
// a value that can't be one is kCorrupt.

#ifndef LAYBY_STORE_RECORDS_H_
#define LAYBY_STORE_RECORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/clock.h"
#include "layby/base/result.h"
#include "layby/cache/store.h"
#include "layby/oci/digest.h"

namespace layby::store {

inline constexpr std::uint32_t kFormatVersion = 3;
// The oldest that is brought to the present one when it is opened.
inline constexpr std::uint32_t kOldestVersion = 1;
inline constexpr std::size_t kMaxKeyBytes = 511;  // LMDB's, as it is compiled everywhere.

struct BlobRecord {
  std::uint64_t size_bytes = 0;
  WallTime published_at;
  bool operator==(const BlobRecord&) const = default;
};

struct ManifestRecord {
  WallTime stored_at;
  std::string media_type;
  std::string_view bytes;  // Points into what it was decoded from.
};

struct TagRecord {
  cache::StoredTag tag;
  std::string upstream;
  std::string repository;
};

// What eviction goes by.
struct UsageRecord {
  std::uint64_t size_bytes = 0;
  WallTime used_at;
  std::uint32_t hits = 1;  // Being stored is the first.
  std::uint64_t rank = 0;  // policy::rank; the object's place in the table of ranks.
  bool operator==(const UsageRecord&) const = default;
};

struct PinRecord {
  WallTime since;
  std::string upstream;
  std::string repository;
};

// Sums over the tables of blobs and manifests, and eviction's clock.
struct Totals {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifest_bytes = 0;
  std::uint64_t clock = 0;  // policy::clock_after
  bool operator==(const Totals&) const = default;
};

// How far the check of stored blobs is.
struct ScrubNote {
  WallTime began;
  std::optional<WallTime> ended;    // The last pass that was whole.
  std::optional<oci::Digest> last;  // None: no pass is under way.
};

// What is stored and may be evicted. A digest may be both, fetched as either.
enum class ContentKind : char { kBlob = 1, kManifest = 2 };

struct Content {
  ContentKind kind;
  oci::Digest digest;
  auto operator<=>(const Content&) const = default;
};

// One byte of algorithm, then the digest's raw bytes.
std::string digest_key(const oci::Digest& digest);
Result<oci::Digest> decode_digest_key(std::string_view key);

// One byte of kind, then the digest's key.
std::string content_key(const Content& content);
Result<Content> decode_content_key(std::string_view key);

// The rank, high byte first so that keys sort by it, then the content's key.
std::string rank_key(std::uint64_t rank, const Content& content);
struct Ranked {
  std::uint64_t rank;
  Content content;
};
Result<Ranked> decode_rank_key(std::string_view key);

// The digest's key, then the first half of the repository's prefix as below.
std::string grant_key(const oci::Digest& digest, const cache::RepositoryKey& repository);
// Sorts before all grants of the digest: it is private, whoever has it.
std::string private_key(const oci::Digest& digest);

// All tags of a repository begin with its prefix and sort by name behind it. A name
// that doesn't fit in a key is kInvalid.
inline constexpr std::size_t kTagPrefixBytes = 32;
std::string tag_prefix(std::string_view upstream, std::string_view repository);
Result<std::string> tag_key(const cache::TagKey& key);

std::string encode(const BlobRecord& record);
Result<BlobRecord> decode_blob(std::string_view value);

// kInvalid for a media type above 65,535 bytes.
Result<std::string> encode(const ManifestRecord& record);
Result<ManifestRecord> decode_manifest(std::string_view value);

std::string encode(const TagRecord& record);
Result<TagRecord> decode_tag(std::string_view value);

std::string encode(const UsageRecord& record);
Result<UsageRecord> decode_usage(std::string_view value);

std::string encode(const PinRecord& record);
Result<PinRecord> decode_pin(std::string_view value);

std::string encode(const ScrubNote& note);
Result<ScrubNote> decode_scrub(std::string_view value);

std::string encode(const Totals& totals);
// Version 1 had the first two fields only.
Result<Totals> decode_totals(std::string_view value);

std::string encode_version(std::uint32_t version);
Result<std::uint32_t> decode_version(std::string_view value);

}  // namespace layby::store

#endif  // LAYBY_STORE_RECORDS_H_
