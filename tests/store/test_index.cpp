// SPDX-License-Identifier: Apache-2.0
//
// The index alone: the reads and writes of transactions, totals, versions, damage.

#include "store/index.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layby/policy/eviction.h"
#include "support/temp_dir.h"

namespace layby::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMapBytes = std::uint64_t{64} << 20;

class IndexTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }

  void reopen(std::uint64_t map_bytes = kMapBytes) {
    index_.reset();
    auto opened = Index::open(folder_.path(), map_bytes);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    index_ = *std::move(opened);
  }
  WriteTxn begin() { return *index_->write(); }
  void put_blob(const oci::Digest& digest, std::uint64_t size) {
    WriteTxn txn = begin();
    ASSERT_TRUE(txn.put_blob(digest, {size, time_}).ok());
    ASSERT_TRUE(txn.commit().ok());
  }
  std::optional<BlobRecord> find(const oci::Digest& digest) {
    return *index_->read()->find_blob(digest);
  }
  // Opens a table without the typed transactions. A null name is LMDB's table of tables.
  template <typename Use>
  void with_raw(const char* table, Use use) {
    index_.reset();
    MDB_env* raw = nullptr;
    ASSERT_EQ(mdb_env_create(&raw), 0);
    const EnvPtr env(raw);
    mdb_env_set_maxdbs(raw, 16);
    mdb_env_set_mapsize(raw, kMapBytes);
    ASSERT_EQ(mdb_env_open(raw, folder_.path().c_str(), 0, 0640), 0);
    MDB_txn* txn = nullptr;
    ASSERT_EQ(mdb_txn_begin(raw, nullptr, 0, &txn), 0);
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_dbi_open(txn, table, table != nullptr ? MDB_CREATE : 0, &dbi), 0);
    use(txn, dbi);
    ASSERT_EQ(mdb_txn_commit(txn), 0);
  }
  void put_raw(const char* table, std::string_view key, std::string_view value) {
    with_raw(table, [&](MDB_txn* txn, MDB_dbi dbi) {
      MDB_val at = to_val(key);
      MDB_val data = to_val(value);
      ASSERT_EQ(mdb_put(txn, dbi, &at, &data, 0), 0);
    });
  }
  template <typename Change>
  void change(Change change) {
    WriteTxn txn = begin();
    const Status changed = change(txn);
    ASSERT_TRUE(changed.ok()) << changed.error().message;
    ASSERT_TRUE(txn.commit().ok());
  }
  std::optional<UsageRecord> usage(const Content& content) {
    return *index_->read()->find_usage(content);
  }
  std::vector<oci::Digest> trash() {
    std::vector<oci::Digest> found;
    const Status read = index_->read()->each_trash([&](const oci::Digest& digest) {
      found.push_back(digest);
      return true;
    });
    EXPECT_TRUE(read.ok());
    return found;
  }
  // Expects usage for all stored content, one rank for each usage record, and correct totals.
  void expect_consistent() {
    auto txn = index_->snapshot();
    ASSERT_TRUE(txn.ok());
    std::map<Content, std::uint64_t> stored;
    Totals sums;
    ASSERT_TRUE(txn->each_blob({},
                               [&](const oci::Digest& digest, const BlobRecord& blob) {
                                 stored[{ContentKind::kBlob, digest}] = blob.size_bytes;
                                 ++sums.blobs;
                                 sums.blob_bytes += blob.size_bytes;
                                 return true;
                               })
                    .ok());
    ASSERT_TRUE(txn->each_manifest([&](const oci::Digest& digest, const ManifestRecord& record) {
                     stored[{ContentKind::kManifest, digest}] = record.bytes.size();
                     sums.manifest_bytes += record.bytes.size();
                     return true;
                   })
                    .ok());
    std::map<Content, std::uint64_t> ranked;
    ASSERT_TRUE(txn->each_ranked([&](const Ranked& one) {
                     EXPECT_TRUE(ranked.emplace(one.content, one.rank).second) << "two ranks";
                     return true;
                   })
                    .ok());
    EXPECT_EQ(ranked.size(), stored.size());
    for (const auto& [content, size] : stored) {
      const auto record = txn->find_usage(content);
      ASSERT_TRUE(record.ok() && record->has_value());
      EXPECT_EQ((*record)->size_bytes, size);
      EXPECT_EQ((*record)->rank, ranked[content]);
    }
    EXPECT_EQ(entries_of("usage"), stored.size());
    sums.clock = index_->counts().totals.clock;
    EXPECT_EQ(index_->counts().totals, sums);
  }
  // Counts the entries of `table` in a copy of the file, without the class Index.
  std::size_t entries_of(const char* table) {
    const testing::TempDir copy;
    fs::copy(folder_.path() + "/data.mdb", copy.path() + "/data.mdb");
    MDB_env* raw = nullptr;
    EXPECT_EQ(mdb_env_create(&raw), 0);
    const EnvPtr env(raw);
    mdb_env_set_maxdbs(raw, 16);
    EXPECT_EQ(mdb_env_open(raw, copy.path().c_str(), MDB_RDONLY, 0640), 0);
    MDB_txn* txn = nullptr;
    EXPECT_EQ(mdb_txn_begin(raw, nullptr, MDB_RDONLY, &txn), 0);
    const TxnPtr owner(txn);
    MDB_dbi dbi = 0;
    MDB_stat stat{};
    EXPECT_EQ(mdb_dbi_open(txn, table, 0, &dbi), 0);
    EXPECT_EQ(mdb_stat(txn, dbi, &stat), 0);
    return stat.ms_entries;
  }
  enum class Leaf { kFirst, kLast };
  // Zeroes the page with the first or last records of blobs, in the index file.
  void damage(Leaf which) {
    const std::string path = folder_.path() + "/data.mdb";
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    std::string bytes(fs::file_size(path), '\0');
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const std::string record = encode(BlobRecord{1, time_});
    std::set<std::string> keys;
    for (int i = 0; i < 1'500; ++i) keys.insert(digest_key(oci::Digest::of(std::to_string(i))));
    const std::string entry = (which == Leaf::kFirst ? *keys.begin() : *keys.rbegin()) + record;
    // A page split may have left a second copy of the entry in an unused page.
    int zeroed = 0;
    for (auto at = bytes.find(entry); at != std::string::npos; at = bytes.find(entry, at + 1)) {
      file.seekp(static_cast<std::streamoff>(at / 4096 * 4096));
      file << std::string(4096, '\0');
      ++zeroed;
    }
    file.flush();
    ASSERT_GT(zeroed, 0);
  }
  template <typename Make>
  void put_many_raw(const char* table, int count, Make make) {
    with_raw(table, [&](MDB_txn* txn, MDB_dbi dbi) {
      for (int i = 0; i < count; ++i) {
        const auto [key, value] = make(i);
        MDB_val at = to_val(key);
        MDB_val data = to_val(value);
        ASSERT_EQ(mdb_put(txn, dbi, &at, &data, 0), 0);
      }
    });
  }
  Error open_error() {
    index_.reset();
    auto opened = Index::open(folder_.path(), kMapBytes);
    EXPECT_FALSE(opened.ok());
    return opened.ok() ? Error{} : opened.error();
  }

  testing::TempDir folder_;
  std::unique_ptr<Index> index_;
  const oci::Digest digest_ = oci::Digest::of("a");
  const WallTime time_{std::chrono::seconds(1'700'000'000)};
};

TEST_F(IndexTest, CommittedRecordsSurviveReopening) {
  put_blob(digest_, 7);
  reopen();
  EXPECT_EQ(find(digest_), (BlobRecord{7, time_}));
  EXPECT_EQ(index_->counts().totals, (Totals{1, 7}));
}

TEST_F(IndexTest, UncommittedRecordsAreDropped) {
  {
    WriteTxn txn = begin();
    ASSERT_TRUE(txn.put_blob(digest_, {7, time_}).ok());
  }
  EXPECT_FALSE(find(digest_));
  EXPECT_EQ(index_->counts().totals, Totals{});
}

TEST_F(IndexTest, AReaderSeesOnlyTheLastCommit) {
  WriteTxn txn = begin();
  ASSERT_TRUE(txn.put_blob(digest_, {7, time_}).ok());
  EXPECT_FALSE(find(digest_));
  ASSERT_TRUE(txn.commit().ok());
  EXPECT_TRUE(find(digest_));
}

TEST_F(IndexTest, TotalsFollowPutsReplacementsAndErasures) {
  put_blob(digest_, 7);
  put_blob(oci::Digest::of("b"), 20);
  put_blob(digest_, 5);
  EXPECT_EQ(index_->counts().totals, (Totals{2, 25}));
  WriteTxn txn = begin();
  ASSERT_TRUE(txn.erase_blob(digest_).ok());
  ASSERT_TRUE(txn.erase_blob(digest_).ok());
  ASSERT_TRUE(txn.erase_blob(oci::Digest::of("never there")).ok());
  ASSERT_TRUE(txn.commit().ok());
  EXPECT_EQ(index_->counts().totals, (Totals{1, 20}));
  reopen();
  EXPECT_EQ(index_->counts().totals, (Totals{1, 20}));
}

TEST_F(IndexTest, ManifestsAndTagsAreCounted) {
  WriteTxn txn = begin();
  ASSERT_TRUE(txn.put_manifest(digest_, {time_, "m", "{}"}).ok());
  ASSERT_TRUE(txn.put_tag({"u", "r", "a"}, {digest_, time_}).ok());
  ASSERT_TRUE(txn.put_tag({"u", "r", "b"}, {digest_, time_}).ok());
  ASSERT_TRUE(txn.commit().ok());
  EXPECT_EQ(index_->counts().manifests, 1u);
  EXPECT_EQ(index_->counts().tags, 2u);
}

TEST_F(IndexTest, AFullMapReportsNoSpaceAndKeepsItsRecords) {
  put_blob(digest_, 7);
  reopen(std::uint64_t{256} << 10);
  WriteTxn txn = begin();
  const std::string big(1 << 20, 'x');
  const Status put = txn.put_manifest(digest_, {time_, "m", big});
  ASSERT_FALSE(put.ok());
  EXPECT_EQ(put.error().code, ErrorCode::kNoSpace);
  EXPECT_NE(put.error().message.find(folder_.path()), std::string::npos);
  EXPECT_TRUE(find(digest_));
}

TEST_F(IndexTest, ANewerFormatIsRefusedAndLeftUnchanged) {
  put_blob(digest_, 7);
  put_raw("meta", "format", encode_version(kFormatVersion + 1));
  const Error error = open_error();
  EXPECT_EQ(error.code, ErrorCode::kInvalid);
  EXPECT_NE(error.message.find("format " + std::to_string(kFormatVersion + 1)), std::string::npos)
      << error.message;
  EXPECT_NE(error.message.find("data_dir"), std::string::npos) << error.message;
  EXPECT_FALSE(fs::exists(folder_.path() + "/damaged.mdb"));
  put_raw("meta", "format", encode_version(kFormatVersion));
  reopen();
  EXPECT_TRUE(find(digest_));
}

TEST_F(IndexTest, UsageAndRanksFollowPutsTouchesReplacementsAndErasures) {
  const Content blob{ContentKind::kBlob, digest_};
  const Content manifest{ContentKind::kManifest, digest_};
  put_blob(digest_, 1 << 20);
  expect_consistent();
  EXPECT_EQ(usage(blob), (UsageRecord{1 << 20, time_, 1, policy::rank(0, 1, 1 << 20)}));

  change([&](WriteTxn& txn) { return txn.touch(blob, 3, time_ + std::chrono::hours(1)); });
  expect_consistent();
  EXPECT_EQ(usage(blob),
            (UsageRecord{1 << 20, time_ + std::chrono::hours(1), 4, policy::rank(0, 4, 1 << 20)}));

  change([&](WriteTxn& txn) { return txn.put_manifest(digest_, {time_, "m", "{}"}); });
  change([&](WriteTxn& txn) { return txn.put_manifest(digest_, {time_, "m", "{\"a\":1}"}); });
  expect_consistent();
  EXPECT_EQ(usage(manifest)->size_bytes, 7u);
  EXPECT_EQ(index_->counts().totals.manifest_bytes, 7u);

  put_blob(digest_, 2 << 20);
  expect_consistent();
  EXPECT_EQ(usage(blob)->hits, 4u) << "a replacement keeps its usage";
  EXPECT_EQ(usage(blob)->size_bytes, 2u << 20);

  change([&](WriteTxn& txn) { return txn.erase_blob(digest_); });
  expect_consistent();
  EXPECT_FALSE(usage(blob));
  EXPECT_TRUE(usage(manifest));
  change([&](WriteTxn& txn) { return txn.erase_manifest(digest_); });
  change([&](WriteTxn& txn) { return txn.erase_manifest(digest_); });
  expect_consistent();
  EXPECT_EQ(index_->counts().totals, Totals{});
}

TEST_F(IndexTest, RandomChangesKeepTheTablesConsistent) {
  std::minstd_rand random(7);
  for (int round = 0; round < 40; ++round) {
    change([&](WriteTxn& txn) {
      for (int i = 0; i < 25; ++i) {
        const oci::Digest digest = oci::Digest::of(std::to_string(random() % 20));
        const auto kind = random() % 2 == 0 ? ContentKind::kBlob : ContentKind::kManifest;
        const std::string body(random() % 50, 'x');
        Status done;
        switch (random() % 7) {
          case 0:
            done = txn.put_blob(digest, {random() % 5'000'000, time_});
            break;
          case 1:
            done = txn.put_manifest(digest, {time_, "m", body});
            break;
          case 2:
            done = txn.erase_blob(digest);
            break;
          case 3:
            done = txn.erase_manifest(digest);
            break;
          case 4:
            done = txn.trash_blob(digest);
            break;
          case 5:
            txn.advance_clock(random() % 100'000);
            break;
          default:
            done = txn.touch({kind, digest}, static_cast<std::uint32_t>(random() % 30), time_);
        }
        if (!done) return done;
      }
      return Status();
    });
    expect_consistent();
  }
  const Totals before = index_->counts().totals;
  reopen();
  EXPECT_EQ(index_->counts().totals, before);
  expect_consistent();
}

TEST_F(IndexTest, ATouchOfMissingContentChangesNothing) {
  const Content content{ContentKind::kBlob, digest_};
  change([&](WriteTxn& txn) { return txn.touch(content, 1, time_); });
  EXPECT_FALSE(usage(content));
  expect_consistent();
}

TEST_F(IndexTest, HitsDoNotOverflowAndTimesDoNotGoBack) {
  put_blob(digest_, 1);
  const Content content{ContentKind::kBlob, digest_};
  change([&](WriteTxn& txn) { return txn.touch(content, UINT32_MAX, WallTime()); });
  EXPECT_EQ(usage(content)->hits, UINT32_MAX);
  EXPECT_EQ(usage(content)->used_at, time_);
}

TEST_F(IndexTest, TheNextPutReplacesDamagedUsage) {
  put_blob(digest_, 7);
  const Content content{ContentKind::kBlob, digest_};
  put_raw("usage", content_key(content), "short");
  reopen();
  change([&](WriteTxn& txn) { return txn.touch(content, 1, time_); });
  put_blob(digest_, 7);
  EXPECT_EQ(usage(content)->hits, 1u);
  change([&](WriteTxn& txn) { return txn.erase_blob(digest_); });
  EXPECT_FALSE(usage(content));
}

TEST_F(IndexTest, TheClockRaisesRanksAndSurvivesReopening) {
  change([&](WriteTxn& txn) {
    txn.advance_clock(500);
    txn.advance_clock(100);
    return Status();
  });
  reopen();
  EXPECT_EQ(index_->counts().totals.clock, 500u);
  put_blob(digest_, 1 << 20);
  EXPECT_EQ(usage({ContentKind::kBlob, digest_})->rank, policy::rank(500, 1, 1 << 20));
}

TEST_F(IndexTest, PinsAreKeptAndListed) {
  const cache::TagKey pin{"u", "r", "t"};
  const cache::TagKey by_digest{"u", "r", digest_.str()};
  EXPECT_FALSE(*index_->read()->is_pinned(pin));
  change([&](WriteTxn& txn) {
    if (Status put = txn.put_pin(by_digest, time_); !put) return put;
    return txn.put_pin(pin, time_);
  });
  reopen();
  EXPECT_TRUE(*index_->read()->is_pinned(pin));
  EXPECT_FALSE(*index_->read()->is_pinned({"u", "r", "t2"}));
  std::vector<cache::TagKey> pins;
  ASSERT_TRUE(index_->read()
                  ->each_pin([&](const cache::TagKey& key) {
                    pins.push_back(key);
                    return true;
                  })
                  .ok());
  EXPECT_EQ(pins, (std::vector<cache::TagKey>{by_digest, pin}));
  change([&](WriteTxn& txn) { return txn.erase_pin(pin); });
  EXPECT_FALSE(*index_->read()->is_pinned(pin));
}

TEST_F(IndexTest, ABlobStaysInTrashUntilItIsClearedOrPutAgain) {
  const oci::Digest other = oci::Digest::of("b");
  put_blob(digest_, 7);
  put_blob(other, 8);
  change([&](WriteTxn& txn) {
    if (Status gone = txn.trash_blob(digest_); !gone) return gone;
    return txn.trash_blob(other);
  });
  EXPECT_EQ(index_->counts().totals.blobs, 0u);
  EXPECT_EQ(trash().size(), 2u);
  put_blob(digest_, 7);
  EXPECT_EQ(trash(), std::vector<oci::Digest>{other});
  change([&](WriteTxn& txn) { return txn.clear_trash(other); });
  EXPECT_TRUE(trash().empty());
}

TEST_F(IndexTest, TagsAreErased) {
  const cache::TagKey key{"u", "r", "t"};
  change([&](WriteTxn& txn) { return txn.put_tag(key, {digest_, time_}); });
  EXPECT_EQ(index_->counts().tags, 1u);
  change([&](WriteTxn& txn) { return txn.erase_tag(key); });
  EXPECT_EQ(index_->counts().tags, 0u);
  EXPECT_FALSE(index_->read()->find_tag(key)->has_value());
}

TEST_F(IndexTest, BlobsAreListedAfterTheGivenDigest) {
  std::vector<oci::Digest> all;
  for (int i = 0; i < 5; ++i) put_blob(oci::Digest::of(std::to_string(i)), 1);
  const auto list = [&](const std::optional<oci::Digest>& after) {
    std::vector<oci::Digest> found;
    const Status read = index_->read()->each_blob(after, [&](const auto& digest, const auto&) {
      found.push_back(digest);
      return true;
    });
    EXPECT_TRUE(read.ok());
    return found;
  };
  all = list({});
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(list(all[2]), (std::vector<oci::Digest>{all[3], all[4]}));
  change([&](WriteTxn& txn) { return txn.erase_blob(all[2]); });
  EXPECT_EQ(list(all[2]), (std::vector<oci::Digest>{all[3], all[4]}));
  EXPECT_TRUE(list(all[4]).empty());
}

TEST_F(IndexTest, ASnapshotDoesNotSeeLaterCommits) {
  put_blob(digest_, 7);
  const auto snapshot = index_->snapshot();
  ASSERT_TRUE(snapshot.ok());
  change([&](WriteTxn& txn) { return txn.erase_blob(digest_); });
  EXPECT_TRUE(snapshot->find_blob(digest_)->has_value());
  EXPECT_FALSE(find(digest_));
}

TEST_F(IndexTest, DamagedRecordsAreErrors) {
  put_blob(digest_, 7);
  put_raw("blobs", digest_key(digest_), "short");
  put_raw("manifests", digest_key(digest_), "short");
  put_raw("tags", *tag_key({"u", "r", "t"}), "short");
  reopen();
  EXPECT_EQ(index_->read()->find_blob(digest_).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(index_->read()->find_manifest(digest_).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(index_->read()->find_tag({"u", "r", "t"}).error().code, ErrorCode::kCorrupt);
}

TEST_F(IndexTest, ADamagedBlobRecordCanBeReplaced) {
  put_raw("blobs", digest_key(digest_), "short");
  reopen();
  put_blob(digest_, 9);
  EXPECT_EQ(find(digest_), (BlobRecord{9, time_}));
}

TEST_F(IndexTest, ANewIndexNeedsARebuildUntilItIsDone) {
  EXPECT_TRUE(index_->needs_rebuild());
  reopen();
  EXPECT_TRUE(index_->needs_rebuild());
  WriteTxn txn = begin();
  ASSERT_TRUE(txn.erase_note(Index::kRebuildNote).ok());
  ASSERT_TRUE(txn.commit().ok());
  reopen();
  EXPECT_FALSE(index_->needs_rebuild());
}

// Each test damages the index, or tells Index that the index may be damaged.
class DamagedIndexTest : public IndexTest {
 protected:
  void SetUp() override {
    IndexTest::SetUp();
    WriteTxn txn = begin();
    for (int i = 0; i < 1'500; ++i) {
      ASSERT_TRUE(txn.put_blob(oci::Digest::of(std::to_string(i)), {1, time_}).ok());
    }
    ASSERT_TRUE(txn.erase_note(Index::kRebuildNote).ok());
    ASSERT_TRUE(txn.commit().ok());
  }
  std::string data() const { return folder_.path() + "/data.mdb"; }
  bool was_set_aside() const { return fs::exists(folder_.path() + "/damaged.mdb"); }
  void expect_made_anew() {
    EXPECT_TRUE(was_set_aside());
    EXPECT_TRUE(index_->needs_rebuild());
    EXPECT_FALSE(index_->needs_recovery());
    EXPECT_EQ(index_->counts().totals, Totals{});
    put_blob(digest_, 7);
    reopen();
    EXPECT_TRUE(find(digest_));
  }
  // Zeroes all pages after LMDB's two meta pages.
  void zero_pages() {
    std::fstream file(data(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(2 * 4096);
    file << std::string(fs::file_size(data()) - 2 * 4096, '\0') << std::flush;
    ASSERT_TRUE(file.good());
  }
};

TEST_F(DamagedIndexTest, SetsAsideDamagedTotals) {
  put_raw("meta", "totals", "short");
  reopen();
  expect_made_anew();
}

TEST_F(DamagedIndexTest, SetsAsideAFileThatIsNoIndex) {
  index_.reset();
  std::ofstream(data(), std::ios::trunc) << std::string(20'000, 'z');
  reopen();
  expect_made_anew();
}

TEST_F(DamagedIndexTest, SetsAsideATruncatedFile) {
  index_.reset();
  fs::resize_file(data(), fs::file_size(data()) - 4096);
  reopen();
  expect_made_anew();
}

TEST_F(DamagedIndexTest, SetsAsideAFileShorterThanItsHead) {
  index_.reset();
  fs::resize_file(data(), 100);
  reopen();
  expect_made_anew();
}

TEST_F(DamagedIndexTest, SetsAsideAFileWithZeroedPages) {
  index_.reset();
  zero_pages();
  reopen();
  expect_made_anew();
}

TEST_F(DamagedIndexTest, SetsAsideATableInAForeignFormat) {
  index_.reset();
  fs::remove(data());
  put_raw(nullptr, "blobs", "this is no table");
  reopen();
  expect_made_anew();
}

TEST_F(DamagedIndexTest, AMissingOrEmptyFileBecomesANewIndex) {
  for (const bool missing : {true, false}) {
    index_.reset();
    fs::resize_file(data(), 0);
    if (missing) fs::remove(data());
    reopen();
    EXPECT_TRUE(index_->needs_rebuild());
    EXPECT_EQ(index_->counts().totals, Totals{});
    EXPECT_FALSE(was_set_aside());
  }
}

TEST_F(DamagedIndexTest, OnlyTheLastDamagedIndexIsKept) {
  for (const char letter : {'x', 'y'}) {
    index_.reset();
    std::ofstream(data(), std::ios::trunc) << std::string(20'000, letter);
    reopen();
  }
  char first = 0;
  std::ifstream(folder_.path() + "/damaged.mdb").get(first);
  EXPECT_EQ(first, 'y');
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 3);
}

TEST_F(DamagedIndexTest, ASoundIndexIsKeptAfterASuspicion) {
  index_.reset();
  std::ofstream(folder_.path() + "/suspect") << "";
  reopen();
  EXPECT_EQ(index_->counts().totals.blobs, 1'500u);
  EXPECT_FALSE(was_set_aside());
  EXPECT_FALSE(fs::exists(folder_.path() + "/suspect"));
  EXPECT_FALSE(fs::exists(folder_.path() + "/checking"));
}

TEST_F(DamagedIndexTest, TheCheckFindsADamagedPageThatOpeningMisses) {
  index_.reset();
  damage(Leaf::kFirst);
  reopen();
  EXPECT_EQ(index_->counts().totals.blobs, 1'500u) << "opening doesn't notice";
  index_.reset();
  std::ofstream(folder_.path() + "/suspect") << "";
  reopen();
  EXPECT_FALSE(fs::exists(folder_.path() + "/suspect"));
  EXPECT_FALSE(fs::exists(folder_.path() + "/checking"));
  expect_made_anew();
}

TEST_F(DamagedIndexTest, TheNextStartSetsAsideAnIndexWhoseCheckCrashed) {
  index_.reset();
  damage(Leaf::kLast);  // LMDB aborts when a walk meets a page that is no leaf.
  std::ofstream(folder_.path() + "/suspect") << "";
  EXPECT_EXIT(static_cast<void>(Index::open(folder_.path(), kMapBytes)),
              ::testing::KilledBySignal(SIGABRT), "");
  EXPECT_TRUE(fs::exists(folder_.path() + "/checking"));
  reopen();
  expect_made_anew();
}

TEST_F(DamagedIndexTest, AFileNamedCheckingSetsTheIndexAside) {
  index_.reset();
  std::ofstream(folder_.path() + "/checking") << "";
  reopen();
  EXPECT_FALSE(fs::exists(folder_.path() + "/checking"));
  expect_made_anew();
}

TEST_F(DamagedIndexTest, RecoverySetsAsideDamageFoundWhileRunning) {
  damage(Leaf::kLast);
  int damaged = 0;
  for (int i = 0; i < 1'500; ++i) {
    const auto found = index_->read()->find_blob(oci::Digest::of(std::to_string(i)));
    damaged += found.ok() ? 0 : 1;
  }
  EXPECT_GT(damaged, 0);
  EXPECT_TRUE(index_->needs_recovery());
  ASSERT_TRUE(index_->recover().ok());
  EXPECT_EQ(index_->generation(), 1);
  expect_made_anew();
}

TEST_F(DamagedIndexTest, RecoveryKeepsASoundIndex) {
  ASSERT_TRUE(index_->recover().ok());
  EXPECT_EQ(index_->generation(), 0);
  EXPECT_TRUE(find(oci::Digest::of("7")));
  put_blob(digest_, 7);
  EXPECT_EQ(index_->counts().totals.blobs, 1'501u);
  EXPECT_FALSE(was_set_aside());
}

TEST_F(DamagedIndexTest, RecoveryChecksASuspectIndexAndKeepsIt) {
  std::ofstream(folder_.path() + "/suspect") << "";
  ASSERT_TRUE(index_->recover().ok());
  EXPECT_TRUE(find(oci::Digest::of("7")));
}

// An index of version 1 has no usage, no ranks, and short totals.
class OldIndexTest : public IndexTest {
 protected:
  void SetUp() override {
    put_raw("meta", "format", encode_version(1));
    put_raw("meta", "totals", encode(Totals{2, 12, 0, 0}).substr(0, 16));
    put_raw("blobs", digest_key(digest_), encode(BlobRecord{7, time_}));
    put_raw("blobs", digest_key(other_), encode(BlobRecord{5, time_ + std::chrono::hours(1)}));
    put_raw("manifests", digest_key(manifest_), *encode(ManifestRecord{time_, "m", "{\"a\":1}"}));
    put_raw("tags", *tag_key({"u", "r", "t"}), encode(TagRecord{{manifest_, time_}, "u", "r"}));
  }
  void expect_migrated() {
    EXPECT_EQ(index_->counts().totals, (Totals{2, 12, 7, 0}));
    EXPECT_EQ(find(digest_), (BlobRecord{7, time_}));
    EXPECT_EQ(usage({ContentKind::kBlob, digest_})->used_at, time_);
    EXPECT_EQ(usage({ContentKind::kBlob, other_})->used_at, time_ + std::chrono::hours(1));
    EXPECT_EQ(usage({ContentKind::kBlob, other_})->size_bytes, 5u);
    EXPECT_EQ(usage({ContentKind::kManifest, manifest_})->hits, 1u);
    EXPECT_EQ(index_->read()->find_tag({"u", "r", "t"})->value().digest, manifest_);
    EXPECT_EQ(*index_->read()->find_note("format"), encode_version(kFormatVersion));
    EXPECT_FALSE(index_->needs_rebuild());
    expect_consistent();
  }

  const oci::Digest other_ = oci::Digest::of("b");
  const oci::Digest manifest_ = oci::Digest::of("{\"a\":1}");
};

TEST_F(OldIndexTest, AnOldIndexIsConvertedWithItsContent) {
  reopen();
  expect_migrated();
  reopen();
  expect_migrated();
}

TEST_F(OldIndexTest, AnInterruptedMigrationIsFinished) {
  // After one committed batch, the index has some usage and ranks, and totals in the new format.
  const Content done{ContentKind::kManifest, manifest_};
  const UsageRecord usage{7, time_, 1, policy::rank(0, 1, 7)};
  put_raw("usage", content_key(done), encode(usage));
  put_raw("ranks", rank_key(usage.rank, done), "");
  put_raw("meta", "totals", encode(Totals{2, 12, 7, 0}));
  reopen();
  expect_migrated();
}

TEST_F(OldIndexTest, MoreThanOneBatchIsMigrated) {
  put_many_raw("blobs", 11'000, [this](int i) {
    return std::pair(digest_key(oci::Digest::of(std::to_string(i))), encode(BlobRecord{1, time_}));
  });
  reopen();
  std::size_t ranked = 0;
  ASSERT_TRUE(index_->read()->each_ranked([&](const Ranked&) { return ++ranked > 0; }).ok());
  EXPECT_EQ(ranked, 11'003u);
  EXPECT_EQ(*index_->read()->find_note("format"), encode_version(kFormatVersion));
}

TEST_F(OldIndexTest, MigrationLeavesOutDamagedRecords) {
  put_raw("blobs", digest_key(oci::Digest::of("c")), "short");
  reopen();
  EXPECT_EQ(find(digest_), (BlobRecord{7, time_}));
  expect_consistent();
}

TEST_F(IndexTest, ALargeMapCostsNoDisk) {
  reopen(std::uint64_t{sizeof(void*) >= 8 ? 64 : 1} << 30);
  put_blob(digest_, 7);
  EXPECT_LT(std::filesystem::file_size(folder_.path() + "/data.mdb"), 1u << 20);
}

}  // namespace
}  // namespace layby::store
