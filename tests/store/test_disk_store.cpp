// SPDX-License-Identifier: Apache-2.0
//
// The behaviour of a store on a disk beyond the contract: restarts, files that other programs
// changed, two stores on one folder, and old files in partial/.

#include "layby/store/disk_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "store/disk_harness.h"
#include "store/records.h"
#include "support/store_image.h"
#include "support/store_test.h"

namespace layby::testing {
namespace {

namespace fs = std::filesystem;

class DiskStoreTest : public StoreTest<DiskHarness> {
 protected:
  std::string published_path(const oci::Digest& digest) {
    const std::string hex(digest.hex());
    return harness_.data_dir() + "/blobs/" + std::string(digest.algorithm()) + "/" +
           hex.substr(0, 2) + "/" + hex;
  }
  std::string partial_path(const oci::Digest& digest) {
    return harness_.data_dir() + "/partial/" + std::string(digest.algorithm()) + "-" +
           std::string(digest.hex());
  }
  void publish() { ASSERT_TRUE(write(digest_, bytes_).published()); }
  // Replaces a record of the index by bytes that don't parse.
  void damage_record(const char* table, const oci::Digest& digest) {
    harness_.close();
    MDB_env* index = nullptr;
    ASSERT_EQ(mdb_env_create(&index), 0);
    mdb_env_set_maxdbs(index, 16);
    ASSERT_EQ(mdb_env_open(index, (harness_.data_dir() + "/index").c_str(), 0, 0640), 0);
    MDB_txn* txn = nullptr;
    ASSERT_EQ(mdb_txn_begin(index, nullptr, 0, &txn), 0);
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_dbi_open(txn, table, 0, &dbi), 0);
    std::string key = store::digest_key(digest);
    std::string value = "short";
    MDB_val at{key.size(), key.data()};
    MDB_val data{value.size(), value.data()};
    ASSERT_EQ(mdb_put(txn, dbi, &at, &data, 0), 0);
    ASSERT_EQ(mdb_txn_commit(txn), 0);
    mdb_env_close(index);
    harness_.open_again();
  }
  // Writes `count` bytes and destroys the writer.
  void write_some(std::size_t count) {
    WriterLog log;
    const auto writer = store().write_blob(digest_, log);
    writer->append(bytes_.substr(0, count));
    turn_until([&] { return log.written == count; });
  }
  std::uint64_t kept_by_next_writer() {
    WriterLog log;
    const auto writer = store().write_blob(digest_, log);
    turn_until([&] { return log.ready(); });
    return log.kept.value_or(0);
  }
  void set_age(const std::string& path, std::chrono::hours age) {
    const auto then = std::chrono::duration_cast<std::chrono::seconds>(
        (harness_.clock().wall_now() - age).time_since_epoch());
    const timespec times[2] = {{then.count(), 0}, {then.count(), 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  std::uint64_t errors() { return harness_.counters().store_errors; }
};

TEST_F(DiskStoreTest, StoredContentSurvivesARestart) {
  publish();
  put_tag({"u", "r", "t"}, {digest_, time_});
  harness_.reopen();
  EXPECT_TRUE(stored(digest_) == bytes_);
  EXPECT_EQ(store().find_tag({"u", "r", "t"})->digest, digest_);
  EXPECT_EQ(store().usage().blob_bytes, bytes_.size());
  EXPECT_EQ(store().usage().tags, 1u);
}

TEST_F(DiskStoreTest, ADamagedRecordIsAMissingPartOfAnImage) {
  const TestManifest image = make_manifest("config", {bytes_});
  publish();
  store().put_manifest(image.digest, image.stored(), nullptr);
  turn_until([&] { return store().find_manifest(image.digest).has_value(); });

  damage_record("blobs", digest_);
  EXPECT_EQ(find_parts(image.digest, "linux/amd64").missing_bytes(),
            bytes_.size() + std::string("config").size());

  damage_record("manifests", image.digest);
  EXPECT_EQ(find_parts(image.digest, "linux/amd64").missing_manifests,
            (std::vector<oci::Digest>{image.digest}));
}

TEST_F(DiskStoreTest, APartialFileIsResumedAfterARestart) {
  write_some(1234);
  harness_.reopen();
  EXPECT_EQ(kept_by_next_writer(), 1234u);
}

TEST_F(DiskStoreTest, WritesQueuedAtDestructionAreCommittedWithoutACallback) {
  bool done = false;
  store().put_tag({"u", "r", "t"}, {digest_, time_}, [&](const Status&) { done = true; });
  harness_.reopen();
  put_tag({"u", "r", "other"}, {digest_, time_});
  EXPECT_FALSE(done);
  EXPECT_TRUE(store().find_tag({"u", "r", "t"}));
}

TEST_F(DiskStoreTest, FindBlobReadsOnlyTheIndex) {
  publish();
  fs::remove(published_path(digest_));
  EXPECT_EQ(store().find_blob(digest_), bytes_.size());
  EXPECT_EQ(errors(), 0u);
}

TEST_F(DiskStoreTest, AMissingFileIsDroppedAndFetchedAgain) {
  publish();
  fs::remove(published_path(digest_));
  EXPECT_FALSE(store().open_blob(digest_));
  turn_until([&] { return store().usage().blobs == 0; });
  EXPECT_EQ(errors(), 1u);
  EXPECT_EQ(write(digest_, bytes_).kept, 0u);
  EXPECT_TRUE(stored(digest_) == bytes_);
}

TEST_F(DiskStoreTest, AFileOfTheWrongSizeIsDroppedAndFetchedAgain) {
  publish();
  fs::resize_file(published_path(digest_), 99);
  EXPECT_FALSE(store().open_blob(digest_));
  const WriterLog log = write(digest_, bytes_);  // The index has not erased the record yet.
  EXPECT_EQ(log.kept, 0u);
  EXPECT_TRUE(log.published());
  EXPECT_TRUE(stored(digest_) == bytes_);
  EXPECT_EQ(store().usage().blobs, 1u);
}

TEST_F(DiskStoreTest, ASymlinkInPlaceOfABlobIsNotFollowed) {
  publish();
  fs::rename(published_path(digest_), harness_.data_dir() + "/moved");
  fs::create_symlink(harness_.data_dir() + "/moved", published_path(digest_));
  EXPECT_FALSE(store().open_blob(digest_));
  turn_until([&] { return errors() == 1u; });
}

TEST_F(DiskStoreTest, AnOpenBlobStaysReadableWhenItsFileIsDeleted) {
  publish();
  const auto blob = store().open_blob(digest_);
  ASSERT_TRUE(blob);
  fs::remove(published_path(digest_));
  EXPECT_TRUE(read_all(blob->file->fd()) == bytes_);
}

TEST_F(DiskStoreTest, APublishedFileThatTheIndexLostIsIndexedWithoutRewriting) {
  publish();
  harness_.close();
  fs::remove_all(harness_.data_dir() + "/index");
  harness_.open_again();
  EXPECT_FALSE(store().open_blob(digest_));
  const std::uint64_t written_before = harness_.counters().store_bytes_written;
  WriterLog log;
  const auto writer = store().write_blob(digest_, log);
  writer->finish();
  turn_until([&] { return log.ended(); });
  EXPECT_EQ(log.kept, bytes_.size());
  EXPECT_TRUE(log.published());
  EXPECT_EQ(harness_.counters().store_bytes_written, written_before);
  EXPECT_TRUE(stored(digest_) == bytes_);
}

TEST_F(DiskStoreTest, BytesWrittenAreCountedOnce) {
  publish();
  EXPECT_EQ(harness_.counters().store_bytes_written, bytes_.size());
}

TEST_F(DiskStoreTest, ASecondStoreOnTheFolderIsRefused) {
  const auto second = harness_.open();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  const std::string& message = second.error().message;
  EXPECT_NE(message.find(harness_.data_dir()), std::string::npos) << message;
  EXPECT_NE(message.find(std::to_string(::getpid())), std::string::npos) << message;
}

TEST_F(DiskStoreTest, AFailedOpenNamesTheFolder) {
  harness_.close();
  fs::remove_all(harness_.data_dir());
  std::ofstream(harness_.data_dir()) << "in the way";
  event::Workers workers(1);
  const auto opened =
      store::DiskStore::open(harness_.options(), harness_.loop(), workers, harness_.clock(),
                             harness_.counters(), harness_.events());
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message.find(harness_.data_dir()), std::string::npos);
}

TEST_F(DiskStoreTest, OldPartialFilesAndLitterAreSweptAtStart) {
  write_some(100);
  harness_.close();
  const std::string fresh = partial_path(oci::Digest::of("fresh"));
  const std::string litter = harness_.data_dir() + "/partial/litter";
  for (const std::string& path : {fresh, litter}) std::ofstream(path) << "x";
  set_age(partial_path(digest_), std::chrono::hours(25));
  set_age(litter, std::chrono::hours(25));
  set_age(fresh, std::chrono::hours(23));
  harness_.open_again();
  turn_until([&] { return !fs::exists(partial_path(digest_)) && !fs::exists(litter); });
  EXPECT_TRUE(fs::exists(fresh));
}

TEST_F(DiskStoreTest, AnOldPartialFileThatAFillResumesIsNotSwept) {
  write_some(100);
  harness_.close();
  set_age(partial_path(digest_), std::chrono::hours(25));
  harness_.open_again();
  // The writer's work comes before the sweep's work in the lane.
  WriterLog log;
  const auto writer = store().write_blob(digest_, log);
  writer->append(bytes_.substr(100));
  writer->finish();
  turn_until([&] { return log.ended(); });
  EXPECT_EQ(log.kept, 100u);
  EXPECT_TRUE(stored(digest_) == bytes_);
}

TEST_F(DiskStoreTest, AFailedPublishIsReportedAndTheNextWriterPublishes) {
  const std::string shelf = fs::path(published_path(digest_)).parent_path();
  std::ofstream(shelf) << "in the way";
  std::ofstream(harness_.data_dir() + "/quarantine") << "no folder";
  const WriterLog log = write(digest_, bytes_);
  ASSERT_TRUE(log.error);
  EXPECT_EQ(log.calls, (std::vector<std::string>{"ready", "written", "verified", "error"}));
  EXPECT_EQ(errors(), 1u);
  fs::remove(shelf);
  WriterLog next_log;
  const auto writer = store().write_blob(digest_, next_log);
  writer->finish();
  turn_until([&] { return next_log.ended(); });
  EXPECT_EQ(next_log.kept, bytes_.size());
  EXPECT_TRUE(next_log.published());
}

TEST_F(DiskStoreTest, ADeletedShelfIsMadeAgain) {
  publish();
  fs::remove_all(harness_.data_dir() + "/blobs/sha256/" + std::string(digest_.hex().substr(0, 2)));
  EXPECT_FALSE(store().open_blob(digest_));
  publish();
  EXPECT_TRUE(stored(digest_) == bytes_);
}

TEST_F(DiskStoreTest, ABlobWhoseFileCannotBeOpenedPassesThroughVerified) {
  fs::create_directory(partial_path(digest_));
  std::ofstream(harness_.data_dir() + "/quarantine") << "no folder";
  const WriterLog log = write(digest_, bytes_);
  EXPECT_EQ(log.calls, (std::vector<std::string>{"ready", "unkept", "written", "verified"}));
  EXPECT_FALSE(store().open_blob(digest_));
}

TEST_F(DiskStoreTest, ANewWriterWaitsForTheOldWritersQueuedWork) {
  for (int round = 0; round < 50; ++round) {
    WriterLog old_log;
    auto old_writer = store().write_blob(digest_, old_log);
    old_writer->append(bytes_.substr(0, 150'000));
    if (round % 2 == 0) turn_until([&] { return old_log.ready(); });
    old_writer.reset();
    WriterLog log;
    const auto writer = store().write_blob(digest_, log);
    turn_until([&] { return log.ready(); });
    writer->append(bytes_.substr(*log.kept));
    writer->finish();
    turn_until([&] { return log.ended(); });
    ASSERT_TRUE(log.published());
    fs::remove(published_path(digest_));
    ASSERT_FALSE(store().open_blob(digest_));
  }
}

TEST_F(DiskStoreTest, AWriterDestroyedWhilePublishingLeavesAWholeOrAPartialBlob) {
  for (int round = 0; round < 30; ++round) {
    const std::string bytes = some_bytes(10'000, static_cast<unsigned>(round) + 100);
    WriterLog log;
    auto writer = store().write_blob(oci::Digest::of(bytes), log);
    writer->append(bytes);
    writer->finish();
    turn_until([&] { return !log.calls.empty(); });
    writer.reset();
    WriterLog next_log;
    writer = store().write_blob(oci::Digest::of(bytes), next_log);
    turn_until([&] { return next_log.ready(); });
    if (*next_log.kept < bytes.size()) writer->append(bytes.substr(*next_log.kept));
    writer->finish();
    turn_until([&] { return next_log.ended(); });
    ASSERT_TRUE(next_log.published()) << next_log.error->message;
    ASSERT_TRUE(stored(oci::Digest::of(bytes)) == bytes);
  }
  EXPECT_EQ(store().usage().blobs, 30u);
  EXPECT_EQ(errors(), 0u);
}

TEST_F(DiskStoreTest, FilesAreNotReadableByOthers) {
  publish();
  struct stat info {};
  ASSERT_EQ(::stat(published_path(digest_).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0007, 0u);
}

}  // namespace
}  // namespace layby::testing
