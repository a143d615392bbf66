// SPDX-License-Identifier: Apache-2.0
//
// The disk fails at each step of publishing a blob, and while an index is opened again. No
// stored blob is lost, the client gets its bytes, and the next try stores the blob.

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <tuple>
#include <vector>

#include "store/disk_faults.h"
#include "store/disk_store_test.h"

namespace layby::testing {
namespace {

ErrorCode expected(int code) {
  return code == ENOSPC || code == EDQUOT ? ErrorCode::kNoSpace : ErrorCode::kIo;
}

class PublishingTest : public DiskTest {
 protected:
  void SetUp() override {
    turn_until([&] { return !operator_store().scrub().running; });
    warm_ = add_blob(some_bytes(5'000, 7));
  }
  void expect_nothing_lost() { EXPECT_TRUE(stored(warm_) == some_bytes(5'000, 7)); }
  // On a disk that works again, a second try stores the blob.
  void expect_stored_by_another_try() {
    EXPECT_FALSE(has(digest_));
    const WriterLog log = fill(bytes_);
    EXPECT_TRUE(log.published()) << (log.error ? log.error->message : "");
    EXPECT_TRUE(stored(digest_) == bytes_);
    expect_nothing_lost();
    EXPECT_EQ(store().usage().blobs, 2u);
    turn_until([&] { return files_in(data("partial")) == 0; });
    EXPECT_EQ(store().usage().partial_bytes, 0u);
    EXPECT_EQ(blob_files(), 2u);
  }
  // Expects that the blob was verified, and that publishing it failed.
  void expect_served_and_not_stored(const WriterLog& log, int code) {
    EXPECT_EQ(log.calls, (std::vector<std::string>{"ready", "written", "verified", "error"}));
    ASSERT_TRUE(log.error);
    EXPECT_EQ(log.error->code, expected(code));
    expect_nothing_lost();
  }
  oci::Digest warm_ = oci::Digest::of("");
};

constexpr int kCodes[] = {ENOSPC, EDQUOT, EIO, EROFS};

TEST_F(PublishingTest, ABlobPassesThroughWhenAWriteFails) {
  for (const int code : kCodes) {
    {
      const DiskFault fault(DiskCall::kWrite, "/partial/", code);
      const WriterLog log = fill(bytes_);
      EXPECT_EQ(log.calls.back(), "verified");
      ASSERT_TRUE(log.unkept);
      EXPECT_EQ(log.unkept->code, expected(code));
      expect_nothing_lost();
    }
    expect_stored_by_another_try();
    fs::remove(published_path(digest_));
    EXPECT_FALSE(has(digest_));
    turn_until([&] { return store().usage().blobs == 1; });
  }
}

class EachStep : public PublishingTest,
                 public ::testing::WithParamInterface<std::tuple<DiskCall, const char*, int>> {};

TEST_P(EachStep, AFailureServesTheBlobAndTheNextTryStoresIt) {
  const auto [call, path, code] = GetParam();
  {
    const DiskFault fault(call, path, code);
    const WriterLog log = fill(bytes_);
    EXPECT_GT(fault.hits(), 0);
    expect_served_and_not_stored(log, code);
  }
  expect_stored_by_another_try();
}

TEST_P(EachStep, ABlobIsStoredAfterARestart) {
  const auto [call, path, code] = GetParam();
  {
    const DiskFault fault(call, path, code);
    expect_served_and_not_stored(fill(bytes_), code);
  }
  harness_.reopen();
  expect_stored_by_another_try();
}

INSTANTIATE_TEST_SUITE_P(Publishing, EachStep,
                         ::testing::Combine(::testing::Values(DiskCall::kSyncData),
                                            ::testing::Values("/partial/", "/index/data.mdb"),
                                            ::testing::ValuesIn(kCodes)));
INSTANTIATE_TEST_SUITE_P(Linking, EachStep,
                         ::testing::Combine(::testing::Values(DiskCall::kLink),
                                            ::testing::Values("/blobs/"),
                                            ::testing::ValuesIn(kCodes)));
INSTANTIATE_TEST_SUITE_P(ShelfSync, EachStep,
                         ::testing::Combine(::testing::Values(DiskCall::kSyncFolder),
                                            ::testing::Values("/blobs/sha256"),
                                            ::testing::ValuesIn(kCodes)));
INSTANTIATE_TEST_SUITE_P(Commit, EachStep,
                         ::testing::Combine(::testing::Values(DiskCall::kWrite),
                                            ::testing::Values("/index/data.mdb"),
                                            ::testing::ValuesIn(kCodes)));

TEST_F(PublishingTest, AFailedCommitLeavesBothNamesForTheNextTry) {
  {
    const DiskFault fault(DiskCall::kWrite, "/index/data.mdb", ENOSPC);
    expect_served_and_not_stored(fill(bytes_), ENOSPC);
  }
  EXPECT_TRUE(fs::exists(published_path(digest_)));
  EXPECT_TRUE(fs::exists(partial_path(digest_)));
  EXPECT_EQ(store().usage().partial_bytes, bytes_.size());
  const std::uint64_t written = counters().store_bytes_written;
  expect_stored_by_another_try();
  EXPECT_EQ(counters().store_bytes_written, written) << "the file is used as it is";
}

TEST_F(PublishingTest, TheFileOfAFailedCommitLosesBothNamesWhenRoomIsNeeded) {
  {
    const DiskFault fault(DiskCall::kWrite, "/index/data.mdb", ENOSPC);
    expect_served_and_not_stored(fill(bytes_), ENOSPC);
  }
  harness_.clock().set_wall(std::chrono::system_clock::now() + std::chrono::hours(1));
  evict(UINT64_MAX);
  EXPECT_EQ(blob_files(), 0u);
  EXPECT_EQ(files_in(data("partial")), 0u);
  EXPECT_EQ(store().usage().partial_bytes, 0u);
}

// A crash between link and commit, or between commit and unlink, leaves both names of a blob.
TEST_F(PublishingTest, BothNamesAreSettledAtStart) {
  add_blob(bytes_);
  const oci::Digest unknown = oci::Digest::of("half way");
  const std::string folder = fs::path(published_path(unknown)).parent_path();
  harness_.close();
  fs::create_hard_link(published_path(digest_), partial_path(digest_));
  std::ofstream(partial_path(unknown)) << "half way";
  fs::create_directories(folder);
  fs::create_hard_link(partial_path(unknown), published_path(unknown));
  harness_.open_again();
  EXPECT_FALSE(fs::exists(partial_path(digest_))) << "the index knows the blob";
  EXPECT_TRUE(stored(digest_) == bytes_);
  EXPECT_TRUE(fs::exists(partial_path(unknown)));
  EXPECT_FALSE(fs::exists(published_path(unknown))) << "the index doesn't know the blob";
  EXPECT_EQ(store().usage().partial_bytes, 8u);
  const WriterLog log = fill("half way");
  EXPECT_EQ(log.kept, 8u);
  EXPECT_TRUE(log.whole);
  EXPECT_TRUE(log.published());
}

TEST_F(PublishingTest, PartialBytesMatchTheFilesInTheFolder) {
  const auto expect_right = [&] {
    std::uint64_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(data("partial"))) bytes += entry.file_size();
    EXPECT_EQ(store().usage().partial_bytes, bytes);
  };
  WriterLog log;
  auto writer = store().write_blob(digest_, log);
  writer->append(bytes_.substr(0, 100'000));
  turn_until([&] { return log.written == 100'000; });
  expect_right();
  writer.reset();
  harness_.reopen();
  expect_right();
  // Wrong bytes come after the kept bytes, so the file is deleted.
  WriterLog wrong;
  writer = store().write_blob(digest_, wrong);
  writer->append("wrong");
  writer->finish();
  turn_until([&] { return wrong.ended(); });
  EXPECT_EQ(wrong.error->code, ErrorCode::kCorrupt);
  expect_right();
  EXPECT_EQ(store().usage().partial_bytes, 0u);
  // The disk fails during the fill, then wrong bytes go to memory.
  WriterLog unkept;
  {
    writer = store().write_blob(digest_, unkept);
    writer->append(bytes_.substr(0, 50'000));
    turn_until([&] { return unkept.written == 50'000; });
    const DiskFault fault(DiskCall::kWrite, "/partial/", EIO);
    writer->append("wrong");
    turn_until([&] { return unkept.unkept.has_value(); });
    expect_right();
    writer->finish();
    turn_until([&] { return unkept.ended(); });
  }
  EXPECT_EQ(unkept.error->code, ErrorCode::kCorrupt);
  expect_right();
  EXPECT_EQ(store().usage().partial_bytes, 0u);
}

TEST_F(PublishingTest, UnkeptBytesAreReadFromMemoryAndReleased) {
  WriterLog log;
  const auto writer = store().write_blob(digest_, log);
  writer->append(bytes_.substr(0, 100'000));
  turn_until([&] { return log.written == 100'000; });
  const auto file = writer->file();
  writer->stop_keeping();
  writer->append(bytes_.substr(100'000));
  turn_until([&] { return log.written == bytes_.size(); });
  ASSERT_TRUE(log.unkept);
  EXPECT_EQ(log.unkept->code, ErrorCode::kNoSpace);
  const cache::BlobPart head = file->part_at(0);
  EXPECT_EQ(head.end_bytes, 100'000u);
  const cache::BlobPart tail = file->part_at(100'000);
  std::string bytes(200'000, '\0');
  ASSERT_EQ(::pread(tail.fd, bytes.data(), bytes.size(), 100'000), 200'000);
  EXPECT_TRUE(bytes == bytes_.substr(100'000));
  writer->release(bytes_.size());
  ASSERT_EQ(::pread(tail.fd, bytes.data(), 1000, 100'000), 1000);
  EXPECT_EQ(bytes.substr(0, 1000), std::string(1000, '\0')) << "the memory is freed";
  writer->finish();
  turn_until([&] { return log.ended(); });
  EXPECT_EQ(log.calls.back(), "verified");
  EXPECT_EQ(counters().store_errors, 0u) << "stop_keeping() is no error";
}

TEST_F(PublishingTest, AFailedIndexAnswersLookupsAgainWhileWritesStillFail) {
  {
    const DiskFault fault(DiskCall::kWrite, "/index/data.mdb", EIO, kMetaBytes);
    for (unsigned i = 20; i < 23; ++i) {
      const WriterLog log = fill(some_bytes(9'000, i));
      ASSERT_TRUE(log.error);
      turn_until([&] { return has(warm_); });
      expect_nothing_lost();
    }
  }
  const WriterLog log = fill(bytes_);
  EXPECT_TRUE(log.published());
  expect_nothing_lost();
}

}  // namespace
}  // namespace layby::testing
