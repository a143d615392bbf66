// SPDX-License-Identifier: Apache-2.0
//
// A disk that is really full: a tmpfs of 2 MiB, which only root can mount. Stored blobs are
// still served, failures are kNoSpace, and writes work again when there is room.

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "store/disk_harness.h"
#include "support/store_test.h"
#include "support/temp_dir.h"

namespace layby::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDiskBytes = 2 << 20;

class FullDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string size = "size=" + std::to_string(kDiskBytes);
    if (::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, size.c_str()) != 0) {
      GTEST_SKIP() << "mounting a small disk needs root: " << std::strerror(errno);
    }
    mounted_ = true;
    harness_.emplace(folder_.path() + "/data");
  }
  void TearDown() override {
    harness_.reset();
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }

  std::string ballast() const { return folder_.path() + "/ballast"; }
  // Fills the disk with other bytes, except for about `left` bytes.
  void fill_disk(std::uint64_t left) {
    const std::uint64_t free = fs::space(folder_.path()).available;
    std::ofstream(ballast()) << std::string(free - left, 'x');
  }
  WriterLog write(const std::string& bytes) {
    WriterLog log;
    const auto writer = harness_->store().write_blob(oci::Digest::of(bytes), log);
    harness_->turn_until([&] { return log.ready() || log.ended(); });
    if (log.ready()) writer->append(bytes.substr(*log.kept));
    writer->finish();
    harness_->turn_until([&] { return log.ended(); });
    return log;
  }
  Status put_manifest(const std::string& bytes) {
    std::optional<Status> result;
    harness_->store().put_manifest(oci::Digest::of(bytes),
                                   {std::make_shared<const std::string>(bytes), "m"},
                                   [&](const Status& status) { result = status; });
    harness_->turn_until([&] { return result.has_value(); });
    return *result;
  }

  TempDir folder_;
  bool mounted_ = false;
  std::optional<DiskHarness> harness_;
};

TEST_F(FullDiskTest, ABlobThatDoesNotFitPassesThroughAndIsStoredWhenThereIsRoom) {
  const std::string warm = some_bytes(50'000);
  ASSERT_TRUE(write(warm).published());
  fill_disk(100'000);
  const std::string cold = some_bytes(500'000, 2);
  const WriterLog log = write(cold);
  ASSERT_TRUE(log.unkept);
  EXPECT_EQ(log.unkept->code, ErrorCode::kNoSpace) << log.unkept->message;
  EXPECT_NE(log.unkept->message.find("free some space"), std::string::npos) << log.unkept->message;
  EXPECT_EQ(log.calls.back(), "verified");
  EXPECT_FALSE(harness_->store().open_blob(oci::Digest::of(cold)));
  const auto found = harness_->store().open_blob(oci::Digest::of(warm));
  ASSERT_TRUE(found);
  EXPECT_TRUE(read_all(found->file->fd()) == warm);

  fs::remove(ballast());
  const WriterLog again = write(cold);
  EXPECT_GT(again.kept, 0u);
  EXPECT_TRUE(again.published());
}

TEST_F(FullDiskTest, IndexWritesFailWithNoSpaceUntilThereIsRoom) {
  const std::string small = "a small manifest";
  ASSERT_TRUE(put_manifest(small).ok());
  fill_disk(100'000);
  const std::string large = some_bytes(400'000);
  const Status full = put_manifest(large);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kNoSpace) << full.error().message;
  EXPECT_TRUE(harness_->store().find_manifest(oci::Digest::of(small)));
  EXPECT_FALSE(harness_->store().find_manifest(oci::Digest::of(large)));

  fs::remove(ballast());
  EXPECT_TRUE(put_manifest(large).ok());
  harness_->reopen();
  EXPECT_TRUE(harness_->store().find_manifest(oci::Digest::of(large)));
}

TEST_F(FullDiskTest, ARestartOnAFullDiskServesStoredBlobs) {
  const std::string warm = some_bytes(50'000);
  ASSERT_TRUE(write(warm).published());
  harness_->close();
  fill_disk(0);
  harness_->open_again();
  EXPECT_TRUE(harness_->store().open_blob(oci::Digest::of(warm)));
}

TEST_F(FullDiskTest, UsageFollowsTheDiskWithinSeconds) {
  EXPECT_EQ(harness_->store().usage().disk_total_bytes, kDiskBytes);
  const std::uint64_t before = harness_->store().usage().disk_free_bytes;
  fill_disk(before - 500'000);
  EXPECT_EQ(harness_->store().usage().disk_free_bytes, before);
  harness_->clock().advance(std::chrono::seconds(3));
  harness_->turn_until(
      [&] { return harness_->store().usage().disk_free_bytes < before - 400'000; });
}

}  // namespace
}  // namespace layby::testing
