// SPDX-License-Identifier: Apache-2.0
//
// The index by itself: what transactions see and keep, totals, versions, damage.

#include "store/index.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "support/temp_dir.h"

namespace layby::store {
namespace {

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
  // Writes a raw value, past the typed transactions.
  void put_raw(const char* table, std::string_view key, std::string_view value) {
    index_.reset();
    MDB_env* raw = nullptr;
    ASSERT_EQ(mdb_env_create(&raw), 0);
    const EnvPtr env(raw);
    mdb_env_set_maxdbs(raw, 16);
    ASSERT_EQ(mdb_env_open(raw, folder_.path().c_str(), 0, 0640), 0);
    MDB_txn* txn = nullptr;
    ASSERT_EQ(mdb_txn_begin(raw, nullptr, 0, &txn), 0);
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_dbi_open(txn, table, 0, &dbi), 0);
    MDB_val at = to_val(key);
    MDB_val data = to_val(value);
    ASSERT_EQ(mdb_put(txn, dbi, &at, &data, 0), 0);
    ASSERT_EQ(mdb_txn_commit(txn), 0);
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

TEST_F(IndexTest, WhatIsCommittedIsThereAfterReopening) {
  put_blob(digest_, 7);
  reopen();
  EXPECT_EQ(find(digest_), (BlobRecord{7, time_}));
  EXPECT_EQ(index_->counts().totals, (Totals{1, 7}));
}

TEST_F(IndexTest, WhatIsNotCommittedIsGone) {
  {
    WriteTxn txn = begin();
    ASSERT_TRUE(txn.put_blob(digest_, {7, time_}).ok());
  }
  EXPECT_FALSE(find(digest_));
  EXPECT_EQ(index_->counts().totals, Totals{});
}

TEST_F(IndexTest, AReaderSeesTheLastCommitAndNotTheTransactionUnderWay) {
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

TEST_F(IndexTest, AFullMapIsNoSpaceAndKeepsWhatWasThere) {
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

TEST_F(IndexTest, ANewerFormatIsRefusedByName) {
  put_raw("meta", "format", encode_version(kFormatVersion + 1));
  const Error error = open_error();
  EXPECT_EQ(error.code, ErrorCode::kInvalid);
  EXPECT_NE(error.message.find("format 2"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("data_dir"), std::string::npos) << error.message;
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

TEST_F(IndexTest, DamagedTotalsAreRefusedAtOpening) {
  put_raw("meta", "totals", "short");
  EXPECT_EQ(open_error().code, ErrorCode::kCorrupt);
}

TEST_F(IndexTest, AFileThatIsNoIndexIsAnErrorThatSaysWhatToDo) {
  index_.reset();
  std::ofstream(folder_.path() + "/data.mdb", std::ios::trunc) << std::string(20'000, 'z');
  const Error error = open_error();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_NE(error.message.find(folder_.path()), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("move the index folder away"), std::string::npos) << error.message;
}

TEST_F(IndexTest, AFileThatLostItsEndIsRefused) {
  for (int i = 0; i < 4; ++i) put_blob(oci::Digest::of(std::to_string(i)), 1);
  index_.reset();
  const std::string path = folder_.path() + "/data.mdb";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4096);
  EXPECT_EQ(open_error().code, ErrorCode::kCorrupt);
}

TEST_F(IndexTest, AMapOfManyGibibytesCostsNoDisk) {
  reopen(std::uint64_t{sizeof(void*) >= 8 ? 64 : 1} << 30);
  put_blob(digest_, 7);
  EXPECT_LT(std::filesystem::file_size(folder_.path() + "/data.mdb"), 1u << 20);
}

}  // namespace
}  // namespace layby::store
