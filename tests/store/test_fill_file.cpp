// SPDX-License-Identifier: Apache-2.0
//
// Every step of writing and publishing a blob, succeeding and failing, without a thread.
// After each failure the tests check the files that are left, and that the next try publishes
// the blob.

#include "store/fill_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "support/store_test.h"
#include "support/temp_dir.h"

namespace layby::store {
namespace {

namespace fs = std::filesystem;

int fail_io(int) {
  errno = EIO;
  return -1;
}
int fail_no_space(int) {
  errno = ENOSPC;
  return -1;
}
int fail_link(const char*, const char*) {
  errno = EROFS;
  return -1;
}

// While a FileSizeLimit exists, files can't grow beyond `bytes`.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  sighandler_t old_handler_ = nullptr;
};

class FillFileTest : public ::testing::Test {
 protected:
  void SetUp() override { use(DiskCalls::real()); }

  // Makes a new BlobFiles and a new FillFile, as after a restart.
  void use(DiskCalls calls, std::optional<std::uint64_t> indexed_bytes = std::nullopt) {
    fill_.reset();
    files_ = std::make_unique<BlobFiles>(folder_.path(), calls);
    ASSERT_TRUE(BlobFiles(folder_.path()).prepare().ok());
    again(indexed_bytes);
  }
  void again(std::optional<std::uint64_t> indexed_bytes = std::nullopt) {
    fill_ = std::make_unique<FillFile>(*files_, digest_, indexed_bytes, stopped_);
  }
  Status all_steps() {
    if (Status opened = fill_->open(); !opened) return opened;
    if (Status written = fill_->write(bytes_.substr(fill_->size_bytes())); !written) return written;
    if (Status verified = fill_->verify(); !verified) return verified;
    if (fill_->tail()) return fill_->unkept_reason();
    if (Status published = fill_->publish(); !published) return published;
    fill_->settle();
    return {};
  }
  // Runs all steps, and expects that the blob passes through memory from byte `from` on, for a
  // reason that names `path`.
  void expect_passed_through(std::uint64_t from, const std::string& path) {
    expect_error(all_steps(), ErrorCode::kIo, path);
    ASSERT_TRUE(fill_->tail());
    EXPECT_EQ(fill_->tail()->first_byte(), from);
    std::string tail(bytes_.size() - from, '\0');
    ASSERT_EQ(::pread(fill_->tail()->fd(), tail.data(), tail.size(), static_cast<off_t>(from)),
              static_cast<ssize_t>(tail.size()));
    EXPECT_TRUE(tail == bytes_.substr(from));
  }
  void expect_published_by_another_try() {
    use(DiskCalls::real());
    const Status done = all_steps();
    EXPECT_TRUE(done.ok()) << done.error().message;
    EXPECT_TRUE(content(published_) == bytes_);
    EXPECT_FALSE(fs::exists(partial_));
  }
  void expect_error(const Status& status, ErrorCode code, const std::string& path) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, code) << status.error().message;
    EXPECT_NE(status.error().message.find(path), std::string::npos) << status.error().message;
  }
  static std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void put_file(const std::string& path, const std::string& bytes) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }

  testing::TempDir folder_;
  const std::string bytes_ = testing::some_bytes(100'000);
  const oci::Digest digest_ = oci::Digest::of(bytes_);
  const std::string hex_{digest_.hex()};
  const std::string partial_ = folder_.path() + "/partial/sha256-" + hex_;
  const std::string shelf_ = folder_.path() + "/blobs/sha256/" + hex_.substr(0, 2);
  const std::string published_ = shelf_ + "/" + hex_;
  std::atomic<bool> stopped_ = false;
  std::unique_ptr<BlobFiles> files_;
  std::unique_ptr<FillFile> fill_;
};

TEST_F(FillFileTest, NoFileIsMadeBeforeTheFirstByte) {
  ASSERT_TRUE(fill_->open().ok());
  EXPECT_FALSE(fs::exists(partial_));
  EXPECT_FALSE(fill_->file());
  ASSERT_TRUE(fill_->write(bytes_.substr(0, 1)).ok());
  EXPECT_TRUE(content(partial_) == bytes_.substr(0, 1));
  EXPECT_TRUE(fill_->file());
}

TEST_F(FillFileTest, AnEmptyBlobIsPublished) {
  const oci::Digest empty = oci::Digest::of("");
  FillFile fill(*files_, empty, std::nullopt, stopped_);
  ASSERT_TRUE(fill.open().ok());
  ASSERT_TRUE(fill.verify().ok());
  ASSERT_TRUE(fill.publish().ok());
  fill.settle();
  EXPECT_EQ(fs::file_size(files_->published_path(empty)), 0u);
  EXPECT_FALSE(fs::exists(files_->partial_path(empty)));
}

TEST_F(FillFileTest, ABlobIsWrittenToPartialAndThenPublished) {
  ASSERT_TRUE(fill_->open().ok());
  ASSERT_TRUE(fill_->write(bytes_).ok());
  EXPECT_TRUE(content(partial_) == bytes_);
  EXPECT_FALSE(fs::exists(published_));
  ASSERT_TRUE(fill_->verify().ok());
  ASSERT_TRUE(fill_->publish().ok());
  fill_->settle();
  EXPECT_TRUE(content(published_) == bytes_);
  EXPECT_FALSE(fs::exists(partial_));
}

TEST_F(FillFileTest, KeptBytesAreHashedAndResumed) {
  put_file(partial_, bytes_.substr(0, 70'000));
  ASSERT_TRUE(fill_->open().ok());
  EXPECT_EQ(fill_->size_bytes(), 70'000u);
  again();
  EXPECT_TRUE(all_steps().ok());
  EXPECT_TRUE(content(published_) == bytes_);
}

TEST_F(FillFileTest, WrongKeptBytesAreDeletedByVerify) {
  put_file(partial_, std::string(70'000, '\0'));
  expect_error(all_steps(), ErrorCode::kCorrupt, digest_.str());
  EXPECT_FALSE(fs::exists(partial_));
  expect_published_by_another_try();
}

TEST_F(FillFileTest, HashingKeptBytesEndsWhenTheFillIsStopped) {
  put_file(partial_, bytes_);
  stopped_ = true;
  EXPECT_EQ(fill_->open().error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(content(partial_) == bytes_);
}

TEST_F(FillFileTest, AnUnindexedPublishedFileIsUsedInPlace) {
  put_file(published_, bytes_);
  ASSERT_TRUE(fill_->open().ok());
  EXPECT_EQ(fill_->size_bytes(), bytes_.size());
  EXPECT_TRUE(fill_->verify().ok());
  EXPECT_TRUE(fill_->publish().ok());
  EXPECT_TRUE(content(published_) == bytes_);
}

TEST_F(FillFileTest, ADamagedPublishedFileIsDeleted) {
  put_file(published_, std::string(bytes_.size(), 'x'));
  expect_error(all_steps(), ErrorCode::kCorrupt, digest_.str());
  EXPECT_FALSE(fs::exists(published_));
  expect_published_by_another_try();
}

TEST_F(FillFileTest, ATruncatedPublishedFileIsDeleted) {
  put_file(published_, bytes_.substr(0, 500));
  expect_error(all_steps(), ErrorCode::kCorrupt, published_);
  expect_published_by_another_try();
}

TEST_F(FillFileTest, AnIndexedBlobIsNotHashedAndRefusesMoreBytes) {
  put_file(published_, std::string(bytes_.size(), 'x'));  // Hashing would find wrong bytes.
  use(DiskCalls::real(), bytes_.size());
  ASSERT_TRUE(fill_->open().ok());
  EXPECT_EQ(fill_->size_bytes(), bytes_.size());
  EXPECT_EQ(fill_->write("more").error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(fill_->verify().ok());
  EXPECT_TRUE(fill_->publish().ok());
}

TEST_F(FillFileTest, ABlobPassesThroughWhenThePartialFolderIsAFile) {
  fs::remove(folder_.path() + "/partial");
  put_file(folder_.path() + "/partial", "in the way");
  expect_passed_through(0, partial_);
  fs::remove(folder_.path() + "/partial");
  expect_published_by_another_try();
}

TEST_F(FillFileTest, ABlobPassesThroughWhenAThingInItsPlaceCannotBeMoved) {
  const std::string quarantine = folder_.path() + "/quarantine";
  put_file(quarantine, "no folder");
  fs::create_directory(partial_);
  expect_passed_through(0, quarantine);
  fs::remove(partial_);
  fs::create_symlink("/etc/hostname", partial_);
  again();
  expect_passed_through(0, quarantine);
  fs::remove(quarantine);
  expect_published_by_another_try();
}

TEST_F(FillFileTest, ABlobPassesThroughWhenThePartialFolderIsMissing) {
  fs::remove(folder_.path() + "/partial");
  expect_passed_through(0, partial_);  // A missing folder is kIo, not kNotFound.
  expect_published_by_another_try();
}

TEST_F(FillFileTest, AFailedWriteKeepsTheBytesThatFitted) {
  {
    const FileSizeLimit limit(60'000);
    // RLIMIT_FSIZE also limits the memfd of the tail, so the later bytes can't go to memory and the
    // write fails.
    expect_error(all_steps(), ErrorCode::kIo, partial_);
  }
  EXPECT_TRUE(content(partial_) == bytes_.substr(0, 60'000));
  expect_published_by_another_try();
}

TEST_F(FillFileTest, AFailedSyncDeletesTheFile) {
  DiskCalls calls = DiskCalls::real();
  calls.sync_data = fail_io;
  use(calls);
  expect_error(all_steps(), ErrorCode::kIo, partial_);
  EXPECT_FALSE(fs::exists(partial_));
  EXPECT_FALSE(fs::exists(published_));
  expect_published_by_another_try();
}

TEST_F(FillFileTest, ASyncOnAFullDiskReportsNoSpace) {
  DiskCalls calls = DiskCalls::real();
  calls.sync_data = fail_no_space;
  use(calls);
  expect_error(all_steps(), ErrorCode::kNoSpace, partial_);
  expect_published_by_another_try();
}

TEST_F(FillFileTest, PublishingFailsWhenAFileInThePlaceOfTheShelfCannotBeMoved) {
  const std::string quarantine = folder_.path() + "/quarantine";
  put_file(quarantine, "no folder");
  put_file(shelf_, "in the way");
  expect_error(all_steps(), ErrorCode::kIo, quarantine);
  EXPECT_TRUE(content(partial_) == bytes_);
  fs::remove(quarantine);
  expect_published_by_another_try();
}

TEST_F(FillFileTest, AFailedLinkKeepsThePartialFile) {
  DiskCalls calls = DiskCalls::real();
  calls.link = fail_link;
  use(calls);
  expect_error(all_steps(), ErrorCode::kIo, published_);
  EXPECT_TRUE(content(partial_) == bytes_);
  expect_published_by_another_try();
}

TEST_F(FillFileTest, AFailedFolderSyncIsReportedAndTheNextTryPublishes) {
  DiskCalls calls = DiskCalls::real();
  calls.sync_directory = fail_io;
  use(calls);
  expect_error(all_steps(), ErrorCode::kIo, "/blobs/sha256");
  expect_published_by_another_try();
}

TEST_F(FillFileTest, APublishedFileKeepsItsPartialNameUntilItIsSettled) {
  ASSERT_TRUE(fill_->open().ok());
  ASSERT_TRUE(fill_->write(bytes_).ok());
  ASSERT_TRUE(fill_->verify().ok());
  ASSERT_TRUE(fill_->publish().ok());
  EXPECT_EQ(fs::hard_link_count(published_), 2u);
  EXPECT_EQ(files_->partial_bytes(), bytes_.size());
  fill_->settle();
  EXPECT_EQ(fs::hard_link_count(published_), 1u);
  EXPECT_FALSE(fs::exists(partial_));
  EXPECT_EQ(files_->partial_bytes(), 0u);
}

TEST_F(FillFileTest, AWholePartialFileIsRecognized) {
  put_file(partial_, bytes_.substr(0, 99'999));
  ASSERT_TRUE(fill_->open().ok());
  EXPECT_FALSE(fill_->is_whole());
  ASSERT_TRUE(fill_->write(bytes_.substr(99'999)).ok());
  EXPECT_TRUE(fill_->is_whole());
  EXPECT_TRUE(fill_->verify().ok());
}

TEST_F(FillFileTest, BytesThatPassThroughAreVerifiedToo) {
  ASSERT_TRUE(fill_->open().ok());
  ASSERT_TRUE(fill_->write(bytes_.substr(0, 50'000)).ok());
  ASSERT_TRUE(fill_->stop_keeping({ErrorCode::kNoSpace, "full"}).ok());
  ASSERT_TRUE(fill_->write(std::string(50'000, 'x')).ok());
  EXPECT_EQ(fill_->verify().error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(fs::exists(partial_)) << "the wrong bytes may be in the kept part";
  EXPECT_EQ(files_->partial_bytes(), 0u);
}

}  // namespace
}  // namespace layby::store
