// SPDX-License-Identifier: Apache-2.0
//
// Keys and values byte by byte, as FORMAT.md has them, and what damaged ones give.

#include "store/records.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace layby::store {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;

const WallTime kTime{milliseconds(0x0102030405)};
const oci::Digest kDigest = oci::Digest::of("");
const std::string kRaw =
    "\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24"
    "\x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52\xb8\x55"s;
const std::string kTimeBytes = "\x05\x04\x03\x02\x01\0\0\0"s;

// Every value of `whole` that is cut short, and one that is too long.
template <typename Decode>
void expect_only_whole(const std::string& whole, Decode decode) {
  EXPECT_TRUE(decode(whole).ok());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = decode(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(cut.ok()) << size;
    EXPECT_EQ(cut.error().code, ErrorCode::kCorrupt);
  }
  EXPECT_FALSE(decode(whole + "x").ok());
}

TEST(Records, ADigestIsItsAlgorithmAndItsRawBytes) {
  EXPECT_EQ(digest_key(kDigest), "\x01" + kRaw);
  const std::string wide = digest_key(oci::Digest::of("", ShaKind::kSha512));
  EXPECT_EQ(wide.size(), 65u);
  EXPECT_EQ(wide[0], 2);
}

TEST(Records, DigestKeysComeBack) {
  for (const ShaKind kind : {ShaKind::kSha256, ShaKind::kSha512}) {
    const auto digest = oci::Digest::of("content", kind);
    EXPECT_EQ(*decode_digest_key(digest_key(digest)), digest);
    expect_only_whole(digest_key(digest), decode_digest_key);
  }
}

TEST(Records, AnUnknownAlgorithmIsDamage) {
  EXPECT_FALSE(decode_digest_key("\x03" + kRaw).ok());
  EXPECT_FALSE(decode_digest_key("\0"s + kRaw).ok());
}

TEST(Records, ABlobIsSizeAndTime) {
  const BlobRecord record{0x1122334455, kTime};
  EXPECT_EQ(encode(record), "\x55\x44\x33\x22\x11\0\0\0"s + kTimeBytes);
  EXPECT_EQ(*decode_blob(encode(record)), record);
  expect_only_whole(encode(record), decode_blob);
}

TEST(Records, TimesBeforeTheEpochComeBack) {
  const BlobRecord record{1, WallTime(milliseconds(-5))};
  EXPECT_EQ(decode_blob(encode(record))->published_at, record.published_at);
}

TEST(Records, ATimeBeyondTheClockIsDamage) {
  const std::string most = "\xff\xff\xff\xff\xff\xff\xff\x7f"s;
  const std::string least = "\0\0\0\0\0\0\0\x80"s;
  EXPECT_FALSE(decode_blob(std::string(8, '\0') + most).ok());
  EXPECT_FALSE(decode_blob(std::string(8, '\0') + least).ok());
}

TEST(Records, AManifestIsTimeMediaTypeAndContent) {
  const ManifestRecord record{kTime, "a/b", "{}"};
  const std::string value = *encode(record);
  EXPECT_EQ(value, kTimeBytes + "\x03\0a/b{}"s);
  const auto decoded = decode_manifest(value);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->stored_at, kTime);
  EXPECT_EQ(decoded->media_type, "a/b");
  EXPECT_EQ(decoded->bytes, "{}");
}

TEST(Records, AManifestWithoutItsHeadIsDamage) {
  const std::string value = *encode(ManifestRecord{kTime, "a/b", ""});
  EXPECT_TRUE(decode_manifest(value).ok());
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decode_manifest(std::string_view(value).substr(0, size)).ok()) << size;
  }
}

TEST(Records, AMediaTypeWithoutBoundIsRefused) {
  EXPECT_EQ(encode(ManifestRecord{kTime, std::string(70'000, 'm'), ""}).error().code,
            ErrorCode::kInvalid);
}

TEST(Records, ATagIsTimeTargetAndNames) {
  const TagRecord record{{kDigest, kTime}, "up", "repo"};
  const std::string value = encode(record);
  EXPECT_EQ(value, kTimeBytes + "\x01" + kRaw + "\x02\0up\x04\0repo"s);
  const auto decoded = decode_tag(value);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->tag.digest, kDigest);
  EXPECT_EQ(decoded->tag.checked_at, kTime);
  EXPECT_EQ(decoded->upstream, "up");
  EXPECT_EQ(decoded->repository, "repo");
  expect_only_whole(value, decode_tag);
}

TEST(Records, TotalsAndVersionComeBack) {
  EXPECT_EQ(encode(Totals{2, 258}), "\x02\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0"s);
  EXPECT_EQ(*decode_totals(encode(Totals{2, 258})), (Totals{2, 258}));
  EXPECT_EQ(encode_version(1), "\x01\0\0\0"s);
  EXPECT_EQ(*decode_version(encode_version(77)), 77u);
  expect_only_whole(encode(Totals{}), decode_totals);
  expect_only_whole(encode_version(1), decode_version);
}

TEST(Records, ATagsKeyIsTheHashOfItsRepositoryAndItsName) {
  const std::string key = *tag_key({"up", "repo", "1.0"});
  EXPECT_EQ(key, tag_prefix("up", "repo") + "1.0");
  EXPECT_EQ("\x01" + tag_prefix("up", "repo"), digest_key(oci::Digest::of("up\0repo"s)));
}

TEST(Records, NamesThatJoinAlikeHaveOtherKeys) {
  EXPECT_NE(tag_prefix("a", "bc"), tag_prefix("ab", "c"));
}

TEST(Records, TheLongestTagFitsAndALongerOneIsRefused) {
  const std::string name(300, 'n');
  EXPECT_EQ(tag_key({name, name, std::string(479, 't')})->size(), kMaxKeyBytes);
  EXPECT_EQ(tag_key({name, name, std::string(480, 't')}).error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(tag_key({name, std::string(70'000, 'r'), "t"}).ok());
}

}  // namespace
}  // namespace layby::store
