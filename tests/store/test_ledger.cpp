// SPDX-License-Identifier: Apache-2.0
//
// Tests the file of the ledger. Every written change can be read again, and a damaged byte costs
// one record. A failed step leaves a ledger that isn't whole. resume() accepts a note only if the
// end of the file is unchanged since note() made the note.

#include "store/ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "store/disk_faults.h"
#include "support/temp_dir.h"

namespace layby::store {
namespace {

namespace fs = std::filesystem;
using testing::DiskCall;
using testing::DiskFault;

// A change that owns its bytes.
struct Owned {
  LedgerTable table;
  bool erased;
  std::string key;
  std::string value;
  bool operator==(const Owned&) const = default;
  Change change() const { return {table, erased, key, value}; }
};

const std::vector<Owned> kChanges = {
    {LedgerTable::kManifests, false, "m", std::string(300'000, 'x')},
    {LedgerTable::kTags, false, "t", "one"},
    {LedgerTable::kPins, false, std::string(511, 'p'), ""},
    {LedgerTable::kListPins, true, "l", ""},
    {LedgerTable::kGrants, false, "g", ""},
};

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(ledger_.open().ok()); }
  std::string path() const { return folder_.path() + "/ledger/changes"; }
  static std::string records() {
    std::string all;
    for (const Owned& owned : kChanges) all += encode(owned.change());
    return all;
  }
  Status rewrite() {
    return ledger_.rewrite([](const Ledger::Write& write) -> Status {
      for (const Owned& owned : kChanges) {
        if (Status written = write(encode(owned.change())); !written) return written;
      }
      return {};
    });
  }
  std::vector<Owned> read() {
    std::vector<Owned> found;
    const Result<bool> complete = ledger_.read([&](const Change& change) -> Status {
      found.push_back(
          {change.table, change.erased, std::string(change.key), std::string(change.value)});
      return {};
    });
    EXPECT_TRUE(complete.ok());
    complete_ = complete.ok() && *complete;
    return found;
  }
  std::string content() const {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<Owned> read_bytes(const std::string& bytes) {
    fs::create_directories(folder_.path() + "/ledger");
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes;
    EXPECT_TRUE(ledger_.open().ok());
    return read();
  }

  bool complete_ = false;  // Whether the last read() found a complete ledger.
  testing::TempDir folder_;
  Ledger ledger_{folder_.path()};
};

TEST_F(LedgerTest, AMissingFileHasNoChangesAndIsNotWhole) {
  EXPECT_TRUE(read().empty());
  EXPECT_FALSE(complete_);
  EXPECT_FALSE(ledger_.whole());
  EXPECT_FALSE(ledger_.resume(ledger_.note()));
  EXPECT_FALSE(ledger_.append(encode(kChanges[1].change())).ok());
}

TEST_F(LedgerTest, RewrittenAndAppendedChangesReadBack) {
  ASSERT_TRUE(rewrite().ok());
  ASSERT_TRUE(ledger_.append(records()).ok());
  std::vector<Owned> twice = kChanges;
  twice.insert(twice.end(), kChanges.begin(), kChanges.end());
  EXPECT_EQ(read(), twice);
  EXPECT_TRUE(complete_);
  EXPECT_TRUE(ledger_.whole());
  EXPECT_EQ(ledger_.size_bytes(), fs::file_size(path()));
}

TEST_F(LedgerTest, ANoteResumesTheLedgerOnlyAtItsEnd) {
  ASSERT_TRUE(rewrite().ok());
  const std::string before = ledger_.note();
  ASSERT_TRUE(ledger_.append(encode(kChanges[1].change())).ok());
  Ledger again(folder_.path());
  ASSERT_TRUE(again.open().ok());
  EXPECT_FALSE(again.resume(before));
  EXPECT_FALSE(again.resume(""));
  EXPECT_TRUE(again.resume(ledger_.note()));
  ASSERT_TRUE(again.append(encode(kChanges[2].change())).ok());
  EXPECT_EQ(again.size_bytes(), fs::file_size(path()));
}

TEST_F(LedgerTest, ANoteFindsALastRecordThatAPowerCutZeroed) {
  ASSERT_TRUE(rewrite().ok());
  ASSERT_TRUE(ledger_.append(encode(kChanges[1].change())).ok());
  std::string bytes = content();
  const std::size_t size = encode(kChanges[1].change()).size();
  bytes.replace(bytes.size() - size, size, size, '\0');
  EXPECT_EQ(read_bytes(bytes), kChanges);
  EXPECT_FALSE(ledger_.resume(ledger_.note()));
}

TEST_F(LedgerTest, ANoteFindsAnEarlierRecordThatAPowerCutZeroed) {
  ASSERT_TRUE(rewrite().ok());
  const std::size_t at = content().size();
  const std::size_t size = encode(kChanges[1].change()).size();
  ASSERT_TRUE(ledger_.append(encode(kChanges[1].change())).ok());
  ASSERT_TRUE(ledger_.append(encode(kChanges[2].change())).ok());
  read_bytes(content().replace(at, size, size, '\0'));
  EXPECT_FALSE(ledger_.resume(ledger_.note()));
}

TEST_F(LedgerTest, ANoteFindsALastRecordWhoseEndAPowerCutZeroed) {
  ASSERT_TRUE(rewrite().ok());
  ASSERT_TRUE(ledger_.append(encode(kChanges[2].change())).ok());
  const std::string bytes = content();
  read_bytes(bytes.substr(0, bytes.size() - 100) + std::string(100, '\0'));
  EXPECT_FALSE(ledger_.resume(ledger_.note()));
}

TEST_F(LedgerTest, AnEmptyLedgerResumes) {
  ASSERT_TRUE(ledger_.rewrite([](const Ledger::Write&) { return Status(); }).ok());
  const std::string note = ledger_.note();
  ASSERT_TRUE(ledger_.open().ok());
  EXPECT_TRUE(ledger_.resume(note));
  EXPECT_TRUE(read().empty());
}

TEST_F(LedgerTest, EveryPrefixReadsAsAPrefixOfTheChanges) {
  const std::vector<Owned> small(kChanges.begin() + 1, kChanges.end());
  std::string bytes = "laybyLG1";
  for (const Owned& owned : small) bytes += encode(owned.change());
  std::size_t most = 0;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const std::vector<Owned> found = read_bytes(bytes.substr(0, size));
    ASSERT_LE(found.size(), small.size());
    EXPECT_TRUE(std::equal(found.begin(), found.end(), small.begin())) << size;
    EXPECT_GE(found.size(), most);
    most = found.size();
  }
  EXPECT_EQ(most, small.size());
}

TEST_F(LedgerTest, AFlippedByteCostsOneRecord) {
  const std::vector<Owned> small(kChanges.begin() + 1, kChanges.end());
  std::string bytes = "laybyLG1";
  for (const Owned& owned : small) bytes += encode(owned.change());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    const std::size_t lost = at < 8 ? 0 : 1;
    EXPECT_EQ(read_bytes(damaged).size(), small.size() - lost) << at;
    EXPECT_FALSE(complete_) << at;
  }
}

TEST_F(LedgerTest, GarbageBetweenRecordsIsSkipped) {
  std::string bytes = "laybyLG1" + encode(kChanges[1].change());
  bytes += std::string(200'000, 'g') + std::string("\0chg", 4) + "garbage";
  bytes += encode(kChanges[4].change());
  EXPECT_EQ(read_bytes(bytes), (std::vector{kChanges[1], kChanges[4]}));
}

TEST_F(LedgerTest, AMarkAcrossTwoBlocksIsFound) {
  for (std::size_t near = 65'528; near < 65'548; ++near) {
    const std::string bytes = "laybyLG1" + std::string(near, 'g') + encode(kChanges[1].change());
    EXPECT_EQ(read_bytes(bytes), std::vector{kChanges[1]}) << near;
  }
}

TEST_F(LedgerTest, AFailedWriteLeavesTheOldRecordsAndALedgerThatIsNotWhole) {
  ASSERT_TRUE(rewrite().ok());
  const std::string before = content();
  {
    const DiskFault fault(DiskCall::kWrite, "ledger/changes", ENOSPC);
    EXPECT_FALSE(ledger_.append(encode(kChanges[1].change())).ok());
  }
  EXPECT_FALSE(ledger_.whole());
  EXPECT_EQ(content(), before);
}

TEST_F(LedgerTest, AFileThatMissesAChangeSaysSo) {
  ASSERT_TRUE(rewrite().ok());
  {
    const DiskFault fault(DiskCall::kSyncData, "ledger/changes", EIO);
    EXPECT_FALSE(ledger_.append(encode(kChanges[4].change()), true).ok());
    EXPECT_GT(fault.hits(), 0);
  }
  EXPECT_FALSE(ledger_.whole());
  read();
  EXPECT_FALSE(complete_);
  ASSERT_TRUE(rewrite().ok());
  read();
  EXPECT_TRUE(complete_);
}

TEST_F(LedgerTest, AFailedStepOfARewriteKeepsTheOldFile) {
  ASSERT_TRUE(rewrite().ok());
  ASSERT_TRUE(ledger_.append(encode(kChanges[1].change())).ok());
  const std::string before = content();
  for (const DiskCall call : {DiskCall::kWrite, DiskCall::kSyncData}) {
    const DiskFault fault(call, "ledger/new", EIO);
    EXPECT_FALSE(rewrite().ok());
    EXPECT_GT(fault.hits(), 0);
    EXPECT_FALSE(ledger_.whole());
    EXPECT_EQ(content(), before);
    EXPECT_FALSE(fs::exists(folder_.path() + "/ledger/new"));
  }
  EXPECT_TRUE(rewrite().ok());
  EXPECT_TRUE(ledger_.whole());
  EXPECT_EQ(read(), kChanges);
}

TEST_F(LedgerTest, ARewriteWhoseNameIsNotDurableIsNotWhole) {
  {
    const DiskFault fault(DiskCall::kSyncFolder, "/ledger", EIO);
    EXPECT_FALSE(rewrite().ok());
  }
  EXPECT_FALSE(ledger_.whole());
  EXPECT_TRUE(rewrite().ok());
}

TEST_F(LedgerTest, AFileThatWasRemovedOrChangedIsNotAppendedTo) {
  ASSERT_TRUE(rewrite().ok());
  fs::resize_file(path(), 20);
  EXPECT_FALSE(ledger_.append(encode(kChanges[1].change())).ok());
  ASSERT_TRUE(rewrite().ok());
  fs::remove(path());
  EXPECT_FALSE(ledger_.append(encode(kChanges[1].change())).ok());
  EXPECT_FALSE(ledger_.whole());
  EXPECT_TRUE(rewrite().ok());
}

TEST_F(LedgerTest, ALedgerIsLongAfterItHasGrownByItselfAndAMegabyte) {
  ASSERT_TRUE(rewrite().ok());
  const std::uint64_t base = ledger_.size_bytes();
  const std::string record = encode(kChanges[0].change());
  while (!ledger_.is_long()) ASSERT_TRUE(ledger_.append(record).ok());
  EXPECT_GT(ledger_.size_bytes(), 2 * base + Ledger::kSlackBytes);
  EXPECT_LE(ledger_.size_bytes(), 2 * base + Ledger::kSlackBytes + record.size());
  Ledger again(folder_.path());
  ASSERT_TRUE(again.open().ok());
  ASSERT_TRUE(again.resume(ledger_.note()));
  EXPECT_TRUE(again.is_long()) << "a restart doesn't forget the base";
  ASSERT_TRUE(rewrite().ok());
  EXPECT_FALSE(ledger_.is_long());
}

}  // namespace
}  // namespace layby::store
