// SPDX-License-Identifier: Apache-2.0
//
// A store whose index is lost or damaged, at start and while it runs: the store opens, and its
// blobs come back from the files.

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/disk_faults.h"
#include "store/disk_store_test.h"
#include "store/index.h"

namespace layby::testing {
namespace {

class RecoveryTest : public DiskTest {
 protected:
  void SetUp() override {
    wait_for_rebuild();
    for (unsigned i = 1; i <= 6; ++i) blobs_.push_back(add_blob(some_bytes(20'000, i)));
    add_tag("t", blobs_[0]);
  }
  void wait_for_rebuild() {
    turn_until([&] { return !operator_store().scrub().running; });
  }
  std::string index_file() const { return data("index/data.mdb"); }
  bool was_set_aside() const { return fs::exists(data("index/damaged.mdb")); }
  void overwrite(const std::string& path, std::uint64_t from, const std::string& bytes) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(from));
    file << bytes << std::flush;
    ASSERT_TRUE(file.good());
  }
  void zero_pages() {
    overwrite(index_file(), 8192, std::string(fs::file_size(index_file()) - 8192, '\0'));
  }
  // Returns whether the index has a record of every blob, old or rebuilt.
  bool are_all_known() {
    return std::all_of(blobs_.begin(), blobs_.end(), [this](const oci::Digest& digest) {
      return store().find_blob(digest).has_value();
    });
  }
  void expect_all_back() {
    wait_for_rebuild();
    for (std::size_t i = 0; i < blobs_.size(); ++i) {
      EXPECT_TRUE(stored(blobs_[i]) == some_bytes(20'000, static_cast<unsigned>(i) + 1)) << i;
    }
    EXPECT_EQ(store().usage().blobs, blobs_.size());
    EXPECT_EQ(store().usage().blob_bytes, blobs_.size() * 20'000);
    EXPECT_EQ(counters().damaged_blobs, 0u);
  }
  std::vector<oci::Digest> blobs_;
};

TEST_F(RecoveryTest, AMissingIndexIsRebuiltFromTheFiles) {
  harness_.close();
  fs::remove_all(data("index"));
  harness_.open_again();
  EXPECT_TRUE(operator_store().scrub().rebuilding);
  EXPECT_TRUE(store().find_tag(key("t"))) << "the ledger has the tags";
  expect_all_back();
  harness_.reopen();
  EXPECT_FALSE(operator_store().scrub().rebuilding);
  expect_all_back();
}

TEST_F(RecoveryTest, ATruncatedIndexIsSetAside) {
  harness_.close();
  fs::resize_file(index_file(), fs::file_size(index_file()) - 4096);
  harness_.open_again();
  EXPECT_TRUE(was_set_aside());
  expect_all_back();
}

TEST_F(RecoveryTest, AZeroedIndexIsSetAside) {
  harness_.close();
  zero_pages();
  harness_.open_again();
  EXPECT_TRUE(was_set_aside());
  expect_all_back();
}

TEST_F(RecoveryTest, AFileThatIsNoIndexIsSetAside) {
  harness_.close();
  std::ofstream(index_file(), std::ios::trunc) << std::string(50'000, 'z');
  harness_.open_again();
  EXPECT_TRUE(was_set_aside());
  expect_all_back();
}

TEST_F(RecoveryTest, ARebuildLeavesOutADamagedBlobFile) {
  harness_.close();
  fs::remove_all(data("index"));
  flip_byte(published_path(blobs_[2]));
  harness_.open_again();
  wait_for_rebuild();
  EXPECT_FALSE(has(blobs_[2]));
  EXPECT_TRUE(fs::exists(quarantine_path(blobs_[2])));
  EXPECT_FALSE(fs::exists(published_path(blobs_[2])));
  EXPECT_EQ(store().usage().blobs, 5u);
  EXPECT_EQ(counters().damaged_blobs, 1u);
  add_blob(some_bytes(20'000, 3));
  EXPECT_TRUE(has(blobs_[2]));
}

TEST_F(RecoveryTest, ABlobCanBeFilledBeforeTheRebuildReachesIt) {
  harness_.close();
  fs::remove_all(data("index"));
  harness_.open_again();
  for (unsigned i = 1; i <= 6; ++i) {
    const WriterLog log = fill(some_bytes(20'000, i));
    EXPECT_EQ(log.kept, 20'000u);
    EXPECT_TRUE(log.published());
  }
  expect_all_back();
}

TEST_F(RecoveryTest, ARebuildBeginsAgainAfterARestart) {
  harness_.close();
  fs::remove_all(data("index"));
  harness_.open_again();
  harness_.close();  // The loop has not run, so the rebuild can't have ended.
  {
    auto index = store::Index::open(data("index"), std::uint64_t{64} << 20);
    EXPECT_TRUE((*index)->needs_rebuild());
  }
  harness_.open_again();
  EXPECT_TRUE(operator_store().scrub().rebuilding);
  expect_all_back();
}

TEST_F(RecoveryTest, VerifyDuringARebuildRunsAfterIt) {
  harness_.close();
  fs::remove_all(data("index"));
  harness_.open_again();
  operator_store().verify();
  expect_all_back();
  EXPECT_EQ(operator_store().scrub().checked_blobs, 6u);
  EXPECT_FALSE(operator_store().scrub().on_demand);
}

TEST_F(RecoveryTest, ASoundIndexIsKeptAfterACrash) {
  harness_.close();
  std::ofstream(store::suspicion_path(harness_.data_dir())) << "";
  harness_.open_again();
  EXPECT_FALSE(was_set_aside());
  EXPECT_TRUE(store().find_tag(key("t")));
  expect_all_back();
  EXPECT_FALSE(fs::exists(store::suspicion_path(harness_.data_dir())));
}

TEST_F(RecoveryTest, DamageFoundByALookupIsHealedWithoutARestart) {
  zero_pages();
  EXPECT_FALSE(store().open_blob(blobs_[0]));
  turn_until([&] { return counters().index_recoveries == 1 && are_all_known(); });
  EXPECT_TRUE(was_set_aside());
  expect_all_back();
  add_tag("t2", blobs_[0]);
  EXPECT_TRUE(store().find_tag(key("t2")));
}

TEST_F(RecoveryTest, DamageFoundByAWriteIsHealedAndTheWriteIsDone) {
  zero_pages();
  add_tag("t2", blobs_[0]);
  EXPECT_TRUE(store().find_tag(key("t2")));
  EXPECT_TRUE(was_set_aside());
  turn_until([&] { return are_all_known(); });
  expect_all_back();
}

// Damages the pages before a helper reads: LMDB aborts when a page changes under its cursor.
TEST_F(RecoveryTest, DamageFoundByTheScrubIsHealed) {
  std::vector<std::uint64_t> whole_passes;
  const Handle listener = harness_.events().listen([&](const events::Event& event) {
    const auto* ended = std::get_if<events::ScrubEnded>(&event);
    if (ended != nullptr) whole_passes.push_back(ended->blobs);
  });
  zero_pages();
  operator_store().verify();
  turn_until([&] { return counters().index_recoveries >= 1 && store().usage().blobs == 6; });
  expect_all_back();
  EXPECT_EQ(whole_passes, std::vector<std::uint64_t>{6}) << "the failed pass isn't a whole one";
}

TEST_F(RecoveryTest, AnIndexIsOpenedAgainWithItsContentAfterAFailedWrite) {
  {
    // Fails the last write of a commit; after this failure LMDB refuses all reads and writes.
    const DiskFault fault(DiskCall::kWrite, "/index/data.mdb", EIO, kMetaBytes);
    std::optional<Status> put;
    store().put_tag(key("t2"), {blobs_[1], time_}, [&](const Status& status) { put = status; });
    turn_until([&] { return put.has_value(); });
    EXPECT_FALSE(put->ok());
    EXPECT_GT(fault.hits(), 0);
  }
  EXPECT_FALSE(was_set_aside());
  add_tag("t3", blobs_[1]);
  EXPECT_TRUE(store().find_tag(key("t3")));
  EXPECT_TRUE(store().find_tag(key("t")));
  EXPECT_FALSE(was_set_aside());
  EXPECT_GE(counters().index_recoveries, 1u);
  expect_all_back();
}

// While a ReadOnlyFolder exists, no file of the folder can be opened for writing, as on a failing
// disk. Open files stay writable.
class ReadOnlyFolder {
 public:
  explicit ReadOnlyFolder(std::string path) : path_(std::move(path)) {
    mounted_ = ::mount(path_.c_str(), path_.c_str(), nullptr, MS_BIND, nullptr) == 0;
    read_only_ = mounted_ && ::mount(nullptr, path_.c_str(), nullptr,
                                     MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }
  ~ReadOnlyFolder() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  ReadOnlyFolder(const ReadOnlyFolder&) = delete;
  ReadOnlyFolder& operator=(const ReadOnlyFolder&) = delete;
  bool works() const { return read_only_; }

 private:
  const std::string path_;
  bool mounted_ = false;
  bool read_only_ = false;
};

TEST_F(RecoveryTest, StoredContentIsServedFromADiskThatTurnedReadOnly) {
  const auto put_tag_fails = [&] {
    std::optional<Status> put;
    store().put_tag(key("t2"), {blobs_[1], time_}, [&](const Status& status) { put = status; });
    turn_until([&] { return put.has_value(); });
    return put->ok() ? "" : put->error().message;
  };
  {
    const ReadOnlyFolder folder(data("index"));
    if (!folder.works()) GTEST_SKIP() << "mounting needs root: " << std::strerror(errno);
    {
      const DiskFault fault(DiskCall::kWrite, "data.mdb", EIO, kMetaBytes);
      EXPECT_NE(put_tag_fails(), "");
    }
    turn_until([&] { return has(blobs_[0]); });
    EXPECT_TRUE(store().find_tag(key("t")));
    const std::string reason = put_tag_fails();
    EXPECT_NE(reason.find("read-only"), std::string::npos) << reason;
    EXPECT_TRUE(store().find_tag(key("t")));
    for (const oci::Digest& digest : blobs_) EXPECT_TRUE(has(digest));
  }
  EXPECT_EQ(put_tag_fails(), "");
  EXPECT_TRUE(store().find_tag(key("t2")));
  EXPECT_FALSE(was_set_aside());
  expect_all_back();
}

}  // namespace
}  // namespace layby::testing
