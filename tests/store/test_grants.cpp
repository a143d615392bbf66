// SPDX-License-Identifier: Apache-2.0
//
// Grants for private content: no step of storing, evicting, crashing or recovering makes private
// content public, and grants are erased with their content.

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "store/disk_faults.h"
#include "store/disk_store_test.h"
#include "store/index.h"

namespace layby::testing {
namespace {

using cache::GrantState;
constexpr std::uint64_t kMapBytes = std::uint64_t{64} << 20;

class GrantsIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }
  void TearDown() override {}

  void reopen() {
    index_.reset();
    index_ = *store::Index::open(folder_.path(), kMapBytes);
  }
  template <typename Change>
  void change(Change change) {
    auto txn = index_->write();
    const Status changed = change(*txn);
    ASSERT_TRUE(changed.ok()) << changed.error().message;
    ASSERT_TRUE(txn->commit().ok());
  }
  GrantState access(const oci::Digest& digest, const cache::RepositoryKey& repository) {
    return *index_->read()->find_grant_state(digest, repository);
  }
  void put_both() {
    change([&](store::WriteTxn& txn) {
      if (Status put = txn.put_grant(digest_, mine_); !put) return put;
      if (Status put = txn.put_blob(digest_, {2, time_}); !put) return put;
      return txn.put_manifest(digest_, {time_, "m", "{}"});
    });
  }

  // Drops the tables, as if an older version had made the index.
  void drop_tables(const std::vector<const char*>& names) {
    index_.reset();
    MDB_env* raw = nullptr;
    ASSERT_EQ(mdb_env_create(&raw), 0);
    const store::EnvPtr env(raw);
    mdb_env_set_maxdbs(raw, 16);
    mdb_env_set_mapsize(raw, kMapBytes);
    ASSERT_EQ(mdb_env_open(raw, folder_.path().c_str(), 0, 0640), 0);
    MDB_txn* txn = nullptr;
    ASSERT_EQ(mdb_txn_begin(raw, nullptr, 0, &txn), 0);
    for (const char* name : names) {
      MDB_dbi table = 0;
      ASSERT_EQ(mdb_dbi_open(txn, name, 0, &table), 0);
      ASSERT_EQ(mdb_drop(txn, table, 1), 0);
    }
    ASSERT_EQ(mdb_txn_commit(txn), 0);
  }

  TempDir folder_;
  std::unique_ptr<store::Index> index_;
  const WallTime time_{std::chrono::seconds(1'700'000'000)};
  const oci::Digest digest_ = oci::Digest::of("{}");
  const oci::Digest other_ = oci::Digest::of("other");
  const cache::RepositoryKey mine_{"u", "r"};
  const cache::RepositoryKey theirs_{"u", "r2"};
};

TEST_F(GrantsIndexTest, GrantsHoldForTheirDigestAndRepository) {
  change([&](store::WriteTxn& txn) { return txn.put_grant(digest_, mine_); });
  reopen();
  EXPECT_EQ(access(digest_, mine_), GrantState::kGranted);
  EXPECT_EQ(access(digest_, theirs_), GrantState::kUnknown);
  EXPECT_EQ(access(other_, mine_), GrantState::kPublic);
}

TEST_F(GrantsIndexTest, APrivateDigestIsUnknownToAllUntilItIsGranted) {
  change([&](store::WriteTxn& txn) { return txn.mark_private(digest_); });
  EXPECT_EQ(access(digest_, mine_), GrantState::kUnknown);
  change([&](store::WriteTxn& txn) { return txn.put_grant(digest_, mine_); });
  EXPECT_EQ(access(digest_, mine_), GrantState::kGranted);
  EXPECT_EQ(access(digest_, theirs_), GrantState::kUnknown);
}

TEST_F(GrantsIndexTest, GrantsGoWithTheLastRecordOfTheirDigest) {
  put_both();
  change([&](store::WriteTxn& txn) { return txn.erase_blob(digest_); });
  EXPECT_EQ(access(digest_, mine_), GrantState::kGranted);
  change([&](store::WriteTxn& txn) { return txn.erase_manifest(digest_); });
  EXPECT_EQ(access(digest_, theirs_), GrantState::kPublic);
  put_both();
  change([&](store::WriteTxn& txn) { return txn.erase_manifest(digest_); });
  EXPECT_EQ(access(digest_, mine_), GrantState::kGranted);
  change([&](store::WriteTxn& txn) { return txn.erase_blob(digest_); });
  EXPECT_EQ(access(digest_, theirs_), GrantState::kPublic);
}

TEST_F(GrantsIndexTest, GrantsStayWhileTheFileIsTrash) {
  put_both();
  change([&](store::WriteTxn& txn) { return txn.trash_blob(digest_); });
  change([&](store::WriteTxn& txn) { return txn.erase_manifest(digest_); });
  EXPECT_EQ(access(digest_, theirs_), GrantState::kUnknown);
  change([&](store::WriteTxn& txn) { return txn.clear_trash(digest_); });
  EXPECT_EQ(access(digest_, theirs_), GrantState::kPublic);
}

TEST_F(GrantsIndexTest, ErasingADigestKeepsTheGrantsOfOtherDigests) {
  const oci::Digest longer = oci::Digest::of("{}", ShaKind::kSha512);
  for (const oci::Digest& digest : {digest_, other_, longer}) {
    change([&](store::WriteTxn& txn) { return txn.put_grant(digest, mine_); });
  }
  change([&](store::WriteTxn& txn) { return txn.erase_blob(digest_); });
  EXPECT_EQ(access(digest_, mine_), GrantState::kPublic);
  EXPECT_EQ(access(other_, mine_), GrantState::kGranted);
  EXPECT_EQ(access(longer, mine_), GrantState::kGranted);
}

TEST_F(GrantsIndexTest, AVersion2IndexKeepsItsContentAndHasNoGrants) {
  change([&](store::WriteTxn& txn) {
    if (Status put = txn.put_blob(digest_, {2, time_}); !put) return put;
    return txn.put_note("format", store::encode_version(2));
  });
  drop_tables({"grants", "list_pins"});
  for (int round = 0; round < 2; ++round) {
    reopen();
    EXPECT_EQ(*index_->read()->find_note("format"), store::encode_version(3));
    EXPECT_TRUE(index_->read()->find_blob(digest_)->has_value());
    EXPECT_EQ(index_->counts().totals.blobs, 1u);
    EXPECT_EQ(access(digest_, mine_), GrantState::kPublic);
  }
  change([&](store::WriteTxn& txn) { return txn.put_grant(digest_, mine_); });
  EXPECT_EQ(access(digest_, mine_), GrantState::kGranted);
}

class GrantsTest : public DiskTest {
 protected:
  GrantState access(const oci::Digest& digest, const char* repository = "r") {
    return store().grant_state(digest, {"u", repository});
  }
  void grant(const oci::Digest& digest) { store().grant(digest, {"u", "r"}); }
  // Adds the grant, then the blob, in the order of a fetch of private content.
  oci::Digest add_private(const std::string& bytes) {
    grant(oci::Digest::of(bytes));
    return add_blob(bytes);
  }
  void expect_private(const oci::Digest& digest) {
    EXPECT_EQ(access(digest), GrantState::kGranted);
    EXPECT_EQ(access(digest, "r2"), GrantState::kUnknown);
  }
  // Returns after all queued writes are done.
  void settle() { add_tag("settled", digest_); }
  void lose_index() {
    harness_.close();
    fs::remove_all(data("index"));
    fs::remove_all(data("ledger"));
    harness_.open_again();
  }
  void wait_for_rebuild() {
    turn_until([&] { return !operator_store().scrub().running; });
  }
};

TEST_F(GrantsTest, GrantsSurviveARestart) {
  const auto blob = add_private("blob");
  const TestManifest manifest = make_manifest("config", {"layer"});
  grant(manifest.digest);
  add_manifest(manifest);
  harness_.reopen();
  expect_private(blob);
  expect_private(manifest.digest);
}

TEST_F(GrantsTest, EvictionErasesGrants) {
  const auto blob = add_private("blob");
  const TestManifest manifest = make_manifest("config", {"layer"});
  grant(manifest.digest);
  add_manifest(manifest);
  let_time_pass();
  evict(UINT64_MAX);
  turn_until([&] { return access(blob) == GrantState::kPublic; });
  EXPECT_EQ(access(manifest.digest), GrantState::kPublic);
}

TEST_F(GrantsTest, GrantsGoWithADamagedBlob) {
  const auto blob = add_private(some_bytes(20'000));
  flip_byte(published_path(blob));
  operator_store().verify();
  turn_until([&] { return counters().damaged_blobs == 1 && access(blob) == GrantState::kPublic; });
  EXPECT_FALSE(has(blob));
}

TEST_F(GrantsTest, ABlobEvictedDuringItsFillStaysPrivate) {
  const auto blob = add_private("blob");
  let_time_pass();
  WriterLog log;
  auto writer = store().write_blob(blob, log);
  turn_until([&] { return log.ready(); });
  evict(UINT64_MAX);
  settle();
  expect_private(blob);
  writer->finish();
  turn_until([&] { return log.ended(); });
  ASSERT_TRUE(log.published());
  writer.reset();
  harness_.reopen();
  EXPECT_TRUE(has(blob));
  expect_private(blob);
}

TEST_F(GrantsTest, AnErasureKeepsTheGrantsOfAFillUnderWay) {
  const auto blob = add_private("blob");
  fs::remove(published_path(blob));
  WriterLog log;
  auto writer = store().write_blob(blob, log);
  grant(blob);
  EXPECT_FALSE(store().open_blob(blob));  // The record is erased later.
  turn_until([&] { return log.ready() && !store().find_blob(blob); });
  expect_private(blob);
  writer->append("blob");
  writer->finish();
  turn_until([&] { return log.ended(); });
  ASSERT_TRUE(log.published());
  writer.reset();
  harness_.reopen();
  expect_private(blob);
}

TEST_F(GrantsTest, AnErasureKeepsThePartialFileOfAnEndedFillPrivate) {
  const auto blob = add_private("blob");
  fs::remove(published_path(blob));
  WriterLog log;
  auto writer = store().write_blob(blob, log);
  grant(blob);
  EXPECT_FALSE(store().open_blob(blob));
  writer->append("bl");
  turn_until([&] { return log.written == 2 && !store().find_blob(blob); });
  writer.reset();
  harness_.reopen();
  expect_private(blob);
}

TEST_F(GrantsTest, AnUnwrittenGrantHoldsAndIsWrittenWithItsContent) {
  const oci::Digest blob = oci::Digest::of("blob");
  {
    const DiskFault fault(DiskCall::kWrite, "data.mdb", ENOSPC);
    grant(blob);
    turn_until([&] { return counters().store_errors > 0; });
    expect_private(blob);
  }
  settle();
  expect_private(blob);
  add_blob("blob");
  harness_.reopen();
  expect_private(blob);
}

TEST_F(GrantsTest, APartialFileIsAsPrivateAsItsBlob) {
  const std::string bytes = some_bytes(20'000);
  const oci::Digest blob = oci::Digest::of(bytes);
  WriterLog log;
  auto writer = store().write_blob(blob, log);
  grant(blob);
  writer->append(bytes.substr(0, 5000));
  turn_until([&] { return log.written == 5000; });
  writer.reset();
  harness_.reopen();
  expect_private(blob);
}

TEST_F(GrantsTest, ARebuildLosesGrantsUnlessItMarksBlobsPrivate) {
  const auto blob = add_private("blob");
  lose_index();
  wait_for_rebuild();
  EXPECT_EQ(access(blob), GrantState::kPublic);
}

class PrivateRebuildTest : public GrantsTest {
 protected:
  void SetUp() override {
    harness_.change_options([](store::Options& options) { options.private_after_rebuild = true; });
    harness_.reopen();
    wait_for_rebuild();
  }
};

TEST_F(PrivateRebuildTest, RebuiltBlobsAreUnknownToAllUntilTheyAreGranted) {
  const auto open = add_blob("open");
  const auto secret = add_private("secret");
  EXPECT_EQ(access(open), GrantState::kPublic);
  lose_index();
  EXPECT_TRUE(operator_store().scrub().rebuilding);
  EXPECT_EQ(access(secret), GrantState::kUnknown);
  EXPECT_EQ(access(oci::Digest::of("anything")), GrantState::kUnknown)
      << "the rebuild may still find it in a file";
  wait_for_rebuild();
  for (const oci::Digest& digest : {open, secret}) {
    EXPECT_TRUE(has(digest));
    EXPECT_EQ(access(digest), GrantState::kUnknown);
  }
  EXPECT_EQ(access(oci::Digest::of("anything")), GrantState::kPublic);
  grant(secret);
  harness_.reopen();
  expect_private(secret);
  EXPECT_EQ(access(open), GrantState::kUnknown);
  EXPECT_EQ(access(add_blob("new")), GrantState::kPublic);
}

TEST_F(PrivateRebuildTest, ABlobRefilledBeforeTheRebuildReachesItIsPrivate) {
  const auto secret = add_private("secret");
  lose_index();
  add_blob("secret");
  wait_for_rebuild();
  EXPECT_EQ(access(secret), GrantState::kUnknown);
}

TEST_F(PrivateRebuildTest, PartialFilesArePrivateToo) {
  const std::string bytes = some_bytes(20'000);
  WriterLog log;
  auto writer = store().write_blob(oci::Digest::of(bytes), log);
  writer->append(bytes.substr(0, 5000));
  turn_until([&] { return log.written == 5000; });
  writer.reset();
  lose_index();
  wait_for_rebuild();
  EXPECT_EQ(access(oci::Digest::of(bytes)), GrantState::kUnknown);
}

}  // namespace
}  // namespace layby::testing
