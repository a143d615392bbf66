// SPDX-License-Identifier: Apache-2.0
//
// Files that stay open after their last reader, so that the next reader needs no open(2).

#include "store/kept_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "store/disk_store_test.h"

namespace layby::testing {
namespace {

using store::KeptFiles;

std::string blob(unsigned number) { return some_bytes(20'000, number); }

class KeptFilesTest : public DiskTest {
 protected:
  // The check of all blobs that begins at the start opens files too.
  void SetUp() override {
    turn_until([this] { return !operator_store().scrub().running; });
  }
  // The names of the blob files that this process has open. Deleted files end with " (deleted)".
  std::vector<std::string> open_files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code gone;  // The iterator's own descriptor.
      const std::string name = fs::read_symlink(entry, gone).string();
      const bool is_file = entry.is_regular_file(gone);  // A shelf that is synced is a folder.
      if (is_file && name.starts_with(data("blobs/"))) names.push_back(name);
    }
    return names;
  }
  // Publishes a blob that a reader has opened and closed.
  oci::Digest add_read_blob(unsigned number) {
    const oci::Digest digest = add_blob(blob(number));
    EXPECT_TRUE(has(digest));
    return digest;
  }
};

TEST_F(KeptFilesTest, TheNextReaderSharesAFileThatItsReaderHasLeft) {
  const oci::Digest digest = add_read_blob(1);
  const std::vector<std::string> kept{published_path(digest)};
  EXPECT_EQ(open_files(), kept);
  const auto next = store().open_blob(digest);
  EXPECT_EQ(open_files(), kept);
  EXPECT_TRUE(read_all(next->file->fd()) == blob(1));
}

TEST_F(KeptFilesTest, AFileIsKeptForAShortTime) {
  add_read_blob(1);
  turn_until([this] { return open_files().empty(); });
}

TEST_F(KeptFilesTest, AReadersFileStaysOpen) {
  const oci::Digest digest = add_blob(blob(1));
  const auto reading = store().open_blob(digest);
  add_read_blob(2);
  turn_until([this] { return open_files().size() == 1; });
  EXPECT_TRUE(read_all(reading->file->fd()) == blob(1));
}

TEST_F(KeptFilesTest, OnlyTheLastFilesAreKept) {
  std::vector<oci::Digest> digests;
  for (unsigned i = 0; i <= KeptFiles::kMostFiles; ++i) digests.push_back(add_blob(blob(i)));
  for (const oci::Digest& digest : digests) EXPECT_TRUE(has(digest));
  const std::vector<std::string> kept = open_files();
  EXPECT_EQ(kept.size(), KeptFiles::kMostFiles);
  EXPECT_EQ(std::count(kept.begin(), kept.end(), published_path(digests.front())), 0);
}

TEST_F(KeptFilesTest, AKeptFileIsEvictedAndFreesItsSpace) {
  const oci::Digest digest = add_blob(blob(1));
  let_time_pass();
  EXPECT_TRUE(has(digest));
  EXPECT_EQ(evict(1).blobs, 1u);
  EXPECT_EQ(open_files(), std::vector<std::string>());
  EXPECT_FALSE(has(digest));
}

TEST_F(KeptFilesTest, AFileThatWasOpenedDuringAnEvictionFreesItsSpaceToo) {
  const oci::Digest digest = add_blob(blob(1));
  let_time_pass();
  std::optional<cache::EvictedSum> evicted;
  store().evict(1, [&](const Result<cache::EvictedSum>& sum) { evicted = sum.value(); });
  EXPECT_TRUE(has(digest)) << "the blob is in the index until the eviction's commit";
  turn_until([&] { return evicted.has_value(); });
  EXPECT_EQ(evicted->blobs, 1u);
  EXPECT_EQ(open_files(), std::vector<std::string>());
}

TEST_F(KeptFilesTest, AReplacedFileIsOpenedAnew) {
  const oci::Digest digest = add_read_blob(1);
  fs::copy(published_path(digest), data("copy"));
  fs::rename(data("copy"), published_path(digest));
  const auto found = store().open_blob(digest);
  ASSERT_TRUE(found);
  EXPECT_EQ(fs::read_symlink("/proc/self/fd/" + std::to_string(found->file->fd())),
            published_path(digest));
}

TEST_F(KeptFilesTest, ADeletedFileIsMissing) {
  const oci::Digest digest = add_read_blob(1);
  fs::remove(published_path(digest));
  EXPECT_FALSE(has(digest));
}

TEST_F(KeptFilesTest, ACutFileIsDropped) {
  const oci::Digest digest = add_read_blob(1);
  fs::resize_file(published_path(digest), 99);
  EXPECT_FALSE(has(digest));
  turn_until([this] { return store().usage().blobs == 0; });
}

TEST_F(KeptFilesTest, ADamagedFileIsSetAsideAndNotServed) {
  const oci::Digest digest = add_read_blob(1);
  bool reported = false;
  harness_.store().on_damaged([&](const auto&, const auto&) { reported = true; });
  flip_byte(published_path(digest));
  store().check_blob(digest);
  turn_until([&] { return reported; });
  EXPECT_TRUE(open_files().empty());
  EXPECT_FALSE(has(digest));
  EXPECT_TRUE(fs::exists(quarantine_path(digest)));
  add_read_blob(1);
}

}  // namespace
}  // namespace layby::testing
