// SPDX-License-Identifier: Apache-2.0
//
// Keys and values byte by byte, as FORMAT.md specifies them, and errors for damaged values.

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

// Decodes `whole`, and refuses every shorter value and a value with one byte more.
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

TEST(Records, DigestKeysRoundTrip) {
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

TEST(Records, TimesBeforeTheEpochRoundTrip) {
  const BlobRecord record{1, WallTime(milliseconds(-5))};
  EXPECT_EQ(decode_blob(encode(record))->published_at, record.published_at);
}

TEST(Records, ATimeBeyondTheClocksRangeIsDamage) {
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

TEST(Records, ATruncatedManifestHeadIsDamage) {
  const std::string value = *encode(ManifestRecord{kTime, "a/b", ""});
  EXPECT_TRUE(decode_manifest(value).ok());
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decode_manifest(std::string_view(value).substr(0, size)).ok()) << size;
  }
}

TEST(Records, ATooLongMediaTypeIsRefused) {
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

TEST(Records, TotalsAndVersionRoundTrip) {
  const Totals totals{2, 258, 3, 0x0400};
  const std::string of_version_1 = "\x02\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0"s;
  EXPECT_EQ(encode(totals), of_version_1 + "\x03\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0"s);
  EXPECT_EQ(*decode_totals(encode(totals)), totals);
  EXPECT_EQ(*decode_totals(of_version_1), (Totals{2, 258, 0, 0}));
  EXPECT_EQ(encode_version(1), "\x01\0\0\0"s);
  EXPECT_EQ(*decode_version(encode_version(77)), 77u);
  EXPECT_FALSE(decode_totals(encode(totals).substr(0, 24)).ok());
  EXPECT_FALSE(decode_totals(of_version_1.substr(1)).ok());
  expect_only_whole(encode_version(1), decode_version);
}

TEST(Records, UsageIsSizeTimeHitsAndRank) {
  const UsageRecord record{5, kTime, 7, 9};
  const std::string value = encode(record);
  EXPECT_EQ(value, "\x05\0\0\0\0\0\0\0"s + kTimeBytes + "\x07\0\0\0"s + "\x09\0\0\0\0\0\0\0"s);
  EXPECT_EQ(*decode_usage(value), record);
  expect_only_whole(value, decode_usage);
}

TEST(Records, APinIsTimeAndNames) {
  const std::string value = encode(PinRecord{kTime, "up", "repo"});
  EXPECT_EQ(value, kTimeBytes + "\x02\0up\x04\0repo"s);
  EXPECT_EQ(decode_pin(value)->since, kTime);
  EXPECT_EQ(decode_pin(value)->repository, "repo");
  expect_only_whole(value, decode_pin);
}

TEST(Records, TheScrubNoteHasADigestDuringAPass) {
  const std::string none = encode(ScrubNote{kTime, std::nullopt, std::nullopt});
  EXPECT_EQ(none, kTimeBytes + std::string(8, '\0'));
  EXPECT_FALSE(decode_scrub(none)->ended);
  EXPECT_FALSE(decode_scrub(none)->last);
  const std::string some = encode(ScrubNote{kTime, kTime, kDigest});
  EXPECT_EQ(some, kTimeBytes + kTimeBytes + "\x01" + kRaw);
  EXPECT_EQ(decode_scrub(some)->began, kTime);
  EXPECT_EQ(decode_scrub(some)->ended, kTime);
  EXPECT_EQ(decode_scrub(some)->last, kDigest);
  for (std::size_t size = 0; size < some.size(); ++size) {
    if (size == none.size()) continue;
    EXPECT_FALSE(decode_scrub(some.substr(0, size)).ok()) << size;
  }
}

TEST(Records, ContentIsAKindAndADigest) {
  const Content blob{ContentKind::kBlob, kDigest};
  const Content manifest{ContentKind::kManifest, kDigest};
  EXPECT_EQ(content_key(blob), "\x01\x01" + kRaw);
  EXPECT_EQ(content_key(manifest), "\x02\x01" + kRaw);
  EXPECT_EQ(*decode_content_key(content_key(manifest)), manifest);
  EXPECT_FALSE(decode_content_key("\x03\x01" + kRaw).ok());
  EXPECT_FALSE(decode_content_key("\x01\x01" + kRaw + "x").ok());
}

TEST(Records, RanksSortAsNumbers) {
  const Content content{ContentKind::kBlob, kDigest};
  EXPECT_EQ(rank_key(0x0102, content), "\0\0\0\0\0\0\x01\x02"s + content_key(content));
  EXPECT_LT(rank_key(255, content), rank_key(256, content));
  const auto decoded = decode_rank_key(rank_key(0x8182838485868788, content));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->rank, 0x8182838485868788);
  EXPECT_EQ(decoded->content, content);
  EXPECT_FALSE(decode_rank_key("short").ok());
}

TEST(Records, ATagKeyIsARepositoryHashAndTheTagName) {
  const std::string key = *tag_key({"up", "repo", "1.0"});
  EXPECT_EQ(key, tag_prefix("up", "repo") + "1.0");
  EXPECT_EQ("\x01" + tag_prefix("up", "repo"), digest_key(oci::Digest::of("up\0repo"s)));
}

TEST(Records, NamesWithTheSameConcatenationHaveDifferentKeys) {
  EXPECT_NE(tag_prefix("a", "bc"), tag_prefix("ab", "c"));
}

TEST(Records, TheLongestTagFitsAndALongerTagIsRefused) {
  const std::string name(300, 'n');
  EXPECT_EQ(tag_key({name, name, std::string(479, 't')})->size(), kMaxKeyBytes);
  EXPECT_EQ(tag_key({name, name, std::string(480, 't')}).error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(tag_key({name, std::string(70'000, 'r'), "t"}).ok());
}

}  // namespace
}  // namespace layby::store
