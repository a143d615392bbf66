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

inline constexpr std::uint32_t kFormatVersion = 1;
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

// Sums over the table of blobs.
struct Totals {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  bool operator==(const Totals&) const = default;
};

// One byte of algorithm, then the digest's raw bytes.
std::string digest_key(const oci::Digest& digest);
Result<oci::Digest> decode_digest_key(std::string_view key);

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

std::string encode(const Totals& totals);
Result<Totals> decode_totals(std::string_view value);

std::string encode_version(std::uint32_t version);
Result<std::uint32_t> decode_version(std::string_view value);

}  // namespace layby::store

#endif  // LAYBY_STORE_RECORDS_H_
