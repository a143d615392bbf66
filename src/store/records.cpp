// SPDX-License-Identifier: Apache-2.0
//
// Encodes and decodes each key and each record. A Reader, which can't run past the end, decodes all
// values.

#include "store/records.h"

#include <bit>
#include <cassert>
#include <chrono>
#include <concepts>
#include <cstring>
#include <utility>

namespace layby::store {
namespace {

using std::chrono::milliseconds;

constexpr char kSha256Tag = 1;
constexpr char kSha512Tag = 2;
constexpr std::size_t kSha256Bytes = 32;
constexpr std::size_t kSha512Bytes = 64;
constexpr std::size_t kGrantHashBytes = 16;

template <std::unsigned_integral T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  }
}

void put_time(std::string& out, WallTime time) {
  const auto since = std::chrono::duration_cast<milliseconds>(time.time_since_epoch());
  put(out, std::bit_cast<std::uint64_t>(std::int64_t{since.count()}));
}

void put_string16(std::string& out, std::string_view text) {
  assert(text.size() <= UINT16_MAX);
  put(out, static_cast<std::uint16_t>(text.size()));
  out += text;
}

// Reads a value from its front. After a read beyond the end ok() is false, and all reads except
// rest() return zero or empty values.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::string_view bytes(std::size_t count) {
    if (count > rest_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  template <std::unsigned_integral T>
  T integer() {
    T value = 0;
    const std::string_view raw = bytes(sizeof(T));
    for (std::size_t i = 0; i < raw.size(); ++i) {
      value = static_cast<T>(value | static_cast<T>(static_cast<unsigned char>(raw[i])) << (8 * i));
    }
    return value;
  }

  // A time that the clock's type can't hold counts as damage.
  WallTime time() {
    constexpr auto kLimit = std::chrono::duration_cast<milliseconds>(WallTime::duration::max());
    const milliseconds since(std::bit_cast<std::int64_t>(integer<std::uint64_t>()));
    if (since > kLimit || since < -kLimit) ok_ = false;
    return ok_ ? WallTime(since) : WallTime();
  }

  std::string_view string16() { return bytes(integer<std::uint16_t>()); }
  std::string_view rest() { return std::exchange(rest_, {}); }

  void fail() { ok_ = false; }
  // False after a read beyond the end, after fail(), and while bytes are left over.
  bool ok() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

Error damaged(const char* what, std::string_view value) {
  return {ErrorCode::kCorrupt, std::string("damaged ") + what + " in the index (" +
                                   std::to_string(value.size()) + " bytes)"};
}

// Converts eight hexadecimal digits in lower case to four bytes at once. Each byte of `word` holds
// one digit. In a letter, the lowest four bits are 1 to 6 and bit 6 is set; bit 6 adds 9.
std::uint32_t four_bytes(const char* digits) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word = 0;
  std::memcpy(&word, digits, sizeof word);
  word = (word & 0x0f0f0f0f0f0f0f0f) + 9 * (word >> 6 & 0x0101010101010101);
  word = (word << 4 | word >> 8) & 0x00ff00ff00ff00ff;  // Joins two digits into one byte.
  word = (word | word >> 8) & 0x0000ffff0000ffff;
  return static_cast<std::uint32_t>(word | word >> 16);
}

// `hex` has the digits of a whole digest, so the length of `hex` is a multiple of eight.
void put_hex(std::string& out, std::string_view hex) {
  assert(hex.size() % 8 == 0);
  const std::size_t start = out.size();
  out.resize(start + hex.size() / 2);
  for (char* to = out.data() + start; hex.size() >= 8; hex.remove_prefix(8)) {
    const std::uint32_t bytes = four_bytes(hex.data());
    std::memcpy(to, &bytes, sizeof bytes);
    to += sizeof bytes;
  }
}

std::string to_hex(std::string_view raw) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * raw.size());
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    hex += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return hex;
}

void put_digest(std::string& out, const oci::Digest& digest) {
  out += digest.kind() == ShaKind::kSha256 ? kSha256Tag : kSha512Tag;
  put_hex(out, digest.hex());
}

std::optional<oci::Digest> read_digest(Reader& reader) {
  const std::string_view tag = reader.bytes(1);
  const bool is_256 = tag == std::string_view(&kSha256Tag, 1);
  const bool is_512 = tag == std::string_view(&kSha512Tag, 1);
  const std::string_view raw = reader.bytes(is_256 ? kSha256Bytes : kSha512Bytes);
  if (raw.empty() || !(is_256 || is_512)) {
    reader.fail();
    return std::nullopt;
  }
  return oci::Digest::from_hex(is_256 ? ShaKind::kSha256 : ShaKind::kSha512, to_hex(raw));
}

}  // namespace

std::string digest_key(const oci::Digest& digest) {
  std::string key;
  key.reserve(1 + kSha512Bytes);
  put_digest(key, digest);
  return key;
}

Result<oci::Digest> decode_digest_key(std::string_view key) {
  Reader reader(key);
  std::optional<oci::Digest> digest = read_digest(reader);
  if (!digest || !reader.ok()) return damaged("digest", key);
  return *std::move(digest);
}

std::string content_key(const Content& content) {
  std::string key(1, static_cast<char>(content.kind));
  put_digest(key, content.digest);
  return key;
}

Result<Content> decode_content_key(std::string_view key) {
  Reader reader(key);
  const auto kind = static_cast<ContentKind>(reader.integer<std::uint8_t>());
  std::optional<oci::Digest> digest = read_digest(reader);
  const bool known = kind == ContentKind::kBlob || kind == ContentKind::kManifest;
  if (!digest || !known || !reader.ok()) return damaged("content key", key);
  return Content{kind, *std::move(digest)};
}

std::string rank_key(std::uint64_t rank, const Content& content) {
  std::string key;
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(rank >> shift & 0xff);
  return key + content_key(content);
}

Result<Ranked> decode_rank_key(std::string_view key) {
  if (key.size() < sizeof(std::uint64_t)) return damaged("rank", key);
  std::uint64_t rank = 0;
  for (std::size_t i = 0; i < sizeof rank; ++i) {
    rank = rank << 8 | static_cast<unsigned char>(key[i]);
  }
  Result<Content> content = decode_content_key(key.substr(sizeof rank));
  if (!content) return std::move(content).error();
  return Ranked{rank, *std::move(content)};
}

std::string tag_prefix(std::string_view upstream, std::string_view repository) {
  Sha sha(ShaKind::kSha256);
  sha.update(upstream);
  sha.update(std::string_view("\0", 1));
  sha.update(repository);
  std::string prefix;
  put_hex(prefix, sha.finish_hex());
  assert(prefix.size() == kTagPrefixBytes);
  return prefix;
}

std::string grant_key(const oci::Digest& digest, const cache::RepositoryKey& repository) {
  const std::string prefix = tag_prefix(repository.upstream, repository.repository);
  return digest_key(digest) + prefix.substr(0, kGrantHashBytes);
}

std::string private_key(const oci::Digest& digest) {
  return digest_key(digest) + std::string(kGrantHashBytes, '\0');
}

Result<std::string> tag_key(const cache::TagKey& key) {
  constexpr std::size_t kMaxNameBytes = 0xffff;
  if (key.tag.size() > kMaxKeyBytes - kTagPrefixBytes || key.upstream.size() > kMaxNameBytes ||
      key.repository.size() > kMaxNameBytes) {
    return Error{ErrorCode::kInvalid, "the name of a tag is too long to store"};
  }
  return tag_prefix(key.upstream, key.repository) + key.tag;
}

std::string encode(const BlobRecord& record) {
  std::string value;
  put(value, record.size_bytes);
  put_time(value, record.published_at);
  return value;
}

Result<BlobRecord> decode_blob(std::string_view value) {
  Reader reader(value);
  BlobRecord record;
  record.size_bytes = reader.integer<std::uint64_t>();
  record.published_at = reader.time();
  if (!reader.ok()) return damaged("record of a blob", value);
  return record;
}

Result<std::string> encode(const ManifestRecord& record) {
  if (record.media_type.size() > 0xffff) {
    return Error{ErrorCode::kInvalid, "the media type of a manifest is too long to store"};
  }
  std::string value;
  value.reserve(record.bytes.size() + record.media_type.size() + 16);
  put_time(value, record.stored_at);
  put_string16(value, record.media_type);
  value += record.bytes;
  return value;
}

Result<ManifestRecord> decode_manifest(std::string_view value) {
  Reader reader(value);
  ManifestRecord record;
  record.stored_at = reader.time();
  record.media_type = reader.string16();
  record.bytes = reader.rest();
  if (!reader.ok()) return damaged("record of a manifest", value);
  return record;
}

std::string encode(const TagRecord& record) {
  std::string value;
  put_time(value, record.tag.checked_at);
  put_digest(value, record.tag.digest);
  put_string16(value, record.upstream);
  put_string16(value, record.repository);
  return value;
}

Result<TagRecord> decode_tag(std::string_view value) {
  Reader reader(value);
  const WallTime checked_at = reader.time();
  std::optional<oci::Digest> digest = read_digest(reader);
  const std::string_view upstream = reader.string16();
  const std::string_view repository = reader.string16();
  if (!digest || !reader.ok()) return damaged("record of a tag", value);
  return TagRecord{
      {*std::move(digest), checked_at}, std::string(upstream), std::string(repository)};
}

std::string encode(const UsageRecord& record) {
  std::string value;
  put(value, record.size_bytes);
  put_time(value, record.used_at);
  put(value, record.hits);
  put(value, record.rank);
  return value;
}

Result<UsageRecord> decode_usage(std::string_view value) {
  Reader reader(value);
  UsageRecord record;
  record.size_bytes = reader.integer<std::uint64_t>();
  record.used_at = reader.time();
  record.hits = reader.integer<std::uint32_t>();
  record.rank = reader.integer<std::uint64_t>();
  if (!reader.ok()) return damaged("record of usage", value);
  return record;
}

std::string encode(const PinRecord& record) {
  std::string value;
  put_time(value, record.since);
  put_string16(value, record.upstream);
  put_string16(value, record.repository);
  return value;
}

Result<PinRecord> decode_pin(std::string_view value) {
  Reader reader(value);
  PinRecord record;
  record.since = reader.time();
  record.upstream = reader.string16();
  record.repository = reader.string16();
  if (!reader.ok()) return damaged("record of a pin", value);
  return record;
}

std::string encode(const ScrubNote& note) {
  std::string value;
  put_time(value, note.began);
  put_time(value, note.ended.value_or(WallTime()));
  if (note.last) put_digest(value, *note.last);
  return value;
}

Result<ScrubNote> decode_scrub(std::string_view value) {
  constexpr std::size_t kTimesBytes = 16;
  Reader reader(value);
  ScrubNote note;
  note.began = reader.time();
  const WallTime ended = reader.time();
  if (ended != WallTime()) note.ended = ended;
  if (value.size() > kTimesBytes) note.last = read_digest(reader);
  if (!reader.ok()) return damaged("progress note of the blob check", value);
  return note;
}

std::string encode(const ServedTotals& totals) {
  std::string value;
  put(value, totals.saved_bytes);
  put(value, totals.prefetched_bytes);
  return value;
}

Result<ServedTotals> decode_served(std::string_view value) {
  Reader reader(value);
  ServedTotals totals;
  totals.saved_bytes = reader.integer<std::uint64_t>();
  totals.prefetched_bytes = reader.integer<std::uint64_t>();
  if (!reader.ok()) return damaged("served totals", value);
  return totals;
}

std::string encode(const Totals& totals) {
  std::string value;
  put(value, totals.blobs);
  put(value, totals.blob_bytes);
  put(value, totals.manifest_bytes);
  put(value, totals.clock);
  return value;
}

Result<Totals> decode_totals(std::string_view value) {
  constexpr std::size_t kVersion1Bytes = 16;
  Reader reader(value);
  Totals totals;
  totals.blobs = reader.integer<std::uint64_t>();
  totals.blob_bytes = reader.integer<std::uint64_t>();
  if (value.size() != kVersion1Bytes) {
    totals.manifest_bytes = reader.integer<std::uint64_t>();
    totals.clock = reader.integer<std::uint64_t>();
  }
  if (!reader.ok()) return damaged("record of totals", value);
  return totals;
}

std::string encode_version(std::uint32_t version) {
  std::string value;
  put(value, version);
  return value;
}

Result<std::uint32_t> decode_version(std::string_view value) {
  Reader reader(value);
  const auto version = reader.integer<std::uint32_t>();
  if (!reader.ok()) return damaged("format version", value);
  return version;
}

}  // namespace layby::store
