// SPDX-License-Identifier: Apache-2.0

#include "layby/store/event_journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "layby/base/fd.h"
#include "support/temp_dir.h"

namespace layby::store {
namespace {

class EventJournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loop = event::Loop::create();
    ASSERT_TRUE(loop.ok());
    loop_ = std::move(*loop);
  }

  // Appends records with these numbers and ends cleanly, as a daemon does.
  void run(const std::vector<std::uint64_t>& numbers,
           std::uint64_t max_file_bytes = EventJournal::kMaxFileBytes) {
    event::Workers workers(1);
    EventJournal journal(directory_.path(), *loop_, workers, max_file_bytes);
    for (const std::uint64_t number : numbers) {
      events::Record record;
      record.number = number;
      record.kind = "test";
      journal.append(record);
    }
  }
  std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> all;
    for (const auto& record : EventJournal::read(directory_.path())) all.push_back(record.number);
    return all;
  }
  std::string newer() const { return directory_.path() + "/events/newer.jsonl"; }
  std::string older() const { return directory_.path() + "/events/older.jsonl"; }

  testing::TempDir directory_;
  std::unique_ptr<event::Loop> loop_;
};

TEST_F(EventJournalTest, GivesBackWhatACleanStopLeft) {
  run({1, 2});
  run({3});

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST_F(EventJournalTest, ReadsNothingWhereNothingWasWritten) { EXPECT_TRUE(numbers().empty()); }

TEST_F(EventJournalTest, WritesNoFileWithoutRecords) {
  run({});

  EXPECT_FALSE(std::filesystem::exists(newer()));
}

TEST_F(EventJournalTest, BeginsANewFileAtItsBoundAndKeepsTheOneBefore) {
  constexpr std::uint64_t kRoomForOneBatch = 150;
  run({1}, kRoomForOneBatch);
  run({2}, kRoomForOneBatch);

  EXPECT_TRUE(std::filesystem::exists(older()));
  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1, 2}));

  run({3}, kRoomForOneBatch);
  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{2, 3}));
}

TEST_F(EventJournalTest, LeavesOutALineThatACrashCutOff) {
  run({1, 2});
  std::filesystem::resize_file(newer(), std::filesystem::file_size(newer()) - 10);

  run({3});

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1, 3}));
}

TEST_F(EventJournalTest, LeavesOutWhatIsNoRecord) {
  run({1});
  std::ofstream(newer(), std::ios::app) << "no record\n\n{\"number\":7}\n";

  run({2});

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(EventJournalTest, GoesOnWithoutAFolderThatItCanWrite) {
  std::ofstream(directory_.path() + "/events") << "a file where the folder should be";

  run({1});

  EXPECT_TRUE(numbers().empty());
}

TEST_F(EventJournalTest, ReadsOnWithoutAFifo) {
  run({1});
  ASSERT_EQ(::mkfifo(older().c_str(), 0640), 0);

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1}));
}

TEST_F(EventJournalTest, ReadsOnWithoutAFolder) {
  run({1});
  std::filesystem::create_directory(older());

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1}));
}

TEST_F(EventJournalTest, ReadsOnWithoutALink) {
  run({1});
  std::filesystem::create_symlink(newer(), older());

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1}));
}

TEST_F(EventJournalTest, DoesNotWaitForTheReaderOfAFifo) {
  std::filesystem::create_directories(directory_.path() + "/events");
  ASSERT_EQ(::mkfifo(newer().c_str(), 0640), 0);

  run({1});

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1})) << "the thing is set aside";
}

TEST_F(EventJournalTest, WritesNothingIntoAFifoWithAReader) {
  std::filesystem::create_directories(directory_.path() + "/events");
  ASSERT_EQ(::mkfifo(newer().c_str(), 0640), 0);
  const UniqueFd reader(::open(newer().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader);

  run({1});

  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0);
}

TEST_F(EventJournalTest, GoesOnWithAFolderInPlaceOfTheFile) {
  std::filesystem::create_directories(newer());

  run({1});

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1})) << "the thing is set aside";
}

}  // namespace
}  // namespace layby::store
