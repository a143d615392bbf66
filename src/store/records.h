// SPDX-License-Identifier: Apache-2.0
//
// Pure functions that turn keys and values of the index into bytes and back. FORMAT.md is the
// specification. Integers are little-endian with a fixed width. Decoding trusts nothing: bytes that
// aren't a valid value are kCorrupt.

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
// The oldest version of an index that is converted to the present version when the index is opened.
inline constexpr std::uint32_t kOldestVersion = 1;
inline constexpr std::size_t kMaxKeyBytes = 511;  // LMDB's limit in its default build.

struct BlobRecord {
  std::uint64_t size_bytes = 0;
  WallTime published_at;
  bool operator==(const BlobRecord&) const = default;
};

struct ManifestRecord {
  WallTime stored_at;
  std::string media_type;
  std::string_view bytes;  // A view into the decoded value.
};

struct TagRecord {
  cache::StoredTag tag;
  std::string upstream;
  std::string repository;
};

// The facts by which eviction ranks content.
struct UsageRecord {
  std::uint64_t size_bytes = 0;
  WallTime used_at;
  std::uint32_t hits = 1;  // Storing the content is the first hit.
  std::uint64_t rank = 0;  // From policy::rank; the content's key in the table `ranks`.
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

// The progress of the scrub.
struct ScrubNote {
  WallTime began;
  std::optional<WallTime> ended;    // End of the last whole pass.
  std::optional<oci::Digest> last;  // Last blob checked; none between passes.
};

// The totals of two counters over all runs of the daemon.
struct ServedTotals {
  std::uint64_t saved_bytes = 0;
  std::uint64_t prefetched_bytes = 0;
  bool operator==(const ServedTotals&) const = default;
};

// The kinds of content that eviction handles. The same digest may be stored as both kinds.
enum class ContentKind : char { kBlob = 1, kManifest = 2 };

struct Content {
  ContentKind kind;
  oci::Digest digest;
  auto operator<=>(const Content&) const = default;
};

// A digest's key is one byte for the algorithm, then the digest's raw bytes.
std::string digest_key(const oci::Digest& digest);
Result<oci::Digest> decode_digest_key(std::string_view key);

// A content key is one byte for the kind, then the digest's key.
std::string content_key(const Content& content);
Result<Content> decode_content_key(std::string_view key);

// A rank key is the rank, then the content's key. The rank's high byte is first, so that keys sort
// by rank.
std::string rank_key(std::uint64_t rank, const Content& content);
struct Ranked {
  std::uint64_t rank;
  Content content;
};
Result<Ranked> decode_rank_key(std::string_view key);

// A grant key is the digest's key, then the first half of the repository's tag_prefix().
std::string grant_key(const oci::Digest& digest, const cache::RepositoryKey& repository);
// The key that marks the digest as private without naming a repository. The key sorts before the
// digest's grants.
std::string private_key(const oci::Digest& digest);

// The keys of a repository's tags begin with the same prefix and sort by tag name. tag_key()
// returns kInvalid for a tag that is too long for a key.
inline constexpr std::size_t kTagPrefixBytes = 32;
std::string tag_prefix(std::string_view upstream, std::string_view repository);
Result<std::string> tag_key(const cache::TagKey& key);

std::string encode(const BlobRecord& record);
Result<BlobRecord> decode_blob(std::string_view value);

// Returns kInvalid for a media type above 65,535 bytes.
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

std::string encode(const ServedTotals& totals);
Result<ServedTotals> decode_served(std::string_view value);

std::string encode(const Totals& totals);
// Totals of version 1 have the first two fields only.
Result<Totals> decode_totals(std::string_view value);

std::string encode_version(std::uint32_t version);
Result<std::uint32_t> decode_version(std::string_view value);

}  // namespace layby::store

#endif  // LAYBY_STORE_RECORDS_H_
