// SPDX-License-Identifier: Apache-2.0
//
// Descriptors and whole-file calls, on real files in a temporary folder.

#include "layby/base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "support/temp_dir.h"

namespace layby {
namespace {

class FdTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = std::make_unique<testing::TempDir>();
    file_ = dir_->path() + "/file";
  }
  void TearDown() override { dir_.reset(); }

  static bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
  UniqueFd open_file() const { return UniqueFd(::open(file_.c_str(), O_RDWR | O_CREAT, 0600)); }
  void write_file(const std::string& content) const {
    std::ofstream(file_, std::ios::binary) << content;
  }

  std::unique_ptr<testing::TempDir> dir_;
  std::string file_;
};

TEST_F(FdTest, DefaultHoldsNothing) { EXPECT_FALSE(UniqueFd()); }

TEST_F(FdTest, DestructionCloses) {
  int raw = -1;
  {
    UniqueFd fd = open_file();
    raw = fd.get();
    ASSERT_TRUE(is_open(raw));
  }
  EXPECT_FALSE(is_open(raw));
}

TEST_F(FdTest, MoveLeavesTheSourceEmpty) {
  UniqueFd from = open_file();
  const int raw = from.get();
  UniqueFd to = std::move(from);
  EXPECT_EQ(to.get(), raw);
  EXPECT_EQ(from.get(), -1);
}

TEST_F(FdTest, MoveAssignmentClosesTheOldDescriptor) {
  UniqueFd held = open_file();
  const int raw = held.get();
  held = UniqueFd();
  EXPECT_FALSE(is_open(raw));
}

TEST_F(FdTest, ReleaseGivesUpOwnership) {
  UniqueFd fd = open_file();
  const int raw = fd.release();
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(raw));
  ::close(raw);
}

TEST_F(FdTest, WriteAtWritesAtTheOffset) {
  write_file("abcdef");
  const UniqueFd fd = open_file();
  const Status written = write_at(fd.get(), "XY", 2);
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(read_file(file_, 100).value(), "abXYef");
}

TEST_F(FdTest, WriteAtOfNothingSucceeds) {
  const UniqueFd fd = open_file();
  EXPECT_TRUE(write_at(fd.get(), "", 0).ok());
}

TEST_F(FdTest, WriteAtReportsAFullDisk) {
  const UniqueFd full(::open("/dev/full", O_WRONLY));
  if (!full) GTEST_SKIP() << "no /dev/full here";
  const Status written = write_at(full.get(), "x", 0);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, ErrorCode::kNoSpace);
}

TEST_F(FdTest, WriteAtReportsABadDescriptor) {
  const Status written = write_at(-1, "x", 0);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
}

TEST_F(FdTest, ReadFileGivesAllBytes) {
  const std::string content(100'000, 'z');
  write_file(content);
  EXPECT_EQ(read_file(file_, 100'000).value(), content);
}

TEST_F(FdTest, ReadFileRefusesALargerFile) {
  write_file("12345");
  const Result<std::string> content = read_file(file_, 4);
  ASSERT_FALSE(content.ok());
  EXPECT_EQ(content.error().code, ErrorCode::kInvalid);
}

TEST_F(FdTest, ReadFileReportsAMissingFile) {
  const Result<std::string> content = read_file(file_, 4);
  ASSERT_FALSE(content.ok());
  EXPECT_EQ(content.error().code, ErrorCode::kNotFound);
  EXPECT_NE(content.error().message.find(file_), std::string::npos);
}

TEST_F(FdTest, ReadFileReportsADirectory) {
  const Result<std::string> content = read_file(dir_->path(), 4);
  ASSERT_FALSE(content.ok());
  EXPECT_EQ(content.error().code, ErrorCode::kInvalid);
}

TEST_F(FdTest, ReadFileRefusesAFifoAtOnce) {
  const std::string fifo = dir_->path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const Result<std::string> content = read_file(fifo, 4);
  ASSERT_FALSE(content.ok());
  EXPECT_EQ(content.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(content.error().message, fifo + " is not a regular file but a named pipe (FIFO)");
}

TEST_F(FdTest, ReadFileRefusesADevice) {
  const Result<std::string> content = read_file("/dev/zero", 4);
  ASSERT_FALSE(content.ok());
  EXPECT_EQ(content.error().message, "/dev/zero is not a regular file but a device");
}

TEST_F(FdTest, MakeDirectoriesMakesMissingParents) {
  const std::string path = dir_->path() + "/a/b/c";
  ASSERT_TRUE(make_directories(path).ok());
  EXPECT_TRUE(std::filesystem::is_directory(path));
}

TEST_F(FdTest, MakeDirectoriesKeepsOthersOut) {
  const std::string path = dir_->path() + "/a";
  ASSERT_TRUE(make_directories(path).ok());
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07, 0U);
}

TEST_F(FdTest, MakeDirectoriesAcceptsAnExistingFolder) {
  EXPECT_TRUE(make_directories(dir_->path()).ok());
}

TEST_F(FdTest, MakeDirectoriesAcceptsTrailingAndDoubleSlashes) {
  ASSERT_TRUE(make_directories(dir_->path() + "/a//b/").ok());
  EXPECT_TRUE(std::filesystem::is_directory(dir_->path() + "/a/b"));
}

TEST_F(FdTest, MakeDirectoriesReportsAFileInTheWay) {
  write_file("");
  const Status made = make_directories(file_ + "/below");
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find(file_), std::string::npos);
}

TEST_F(FdTest, MakeDirectoriesRefusesAnEmptyPath) { EXPECT_FALSE(make_directories("").ok()); }

TEST_F(FdTest, MakeDirectoriesToleratesARace) {
  const std::string path = dir_->path() + "/a/b/c/d/e/f";
  std::atomic<int> failures{0};
  std::vector<std::jthread> makers;
  for (int i = 0; i < 8; ++i) {
    makers.emplace_back([&] { failures += make_directories(path).ok() ? 0 : 1; });
  }
  makers.clear();
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace layby
