// SPDX-License-Identifier: Apache-2.0

#include "layby/events/ring.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/fake_clock.h"

namespace layby::events {
namespace {

class RingTest : public ::testing::Test {
 protected:
  std::vector<std::uint64_t> numbers(std::uint64_t after = 0) const {
    std::vector<std::uint64_t> all;
    for (const Record& record : ring_.newer_than(after)) all.push_back(record.number);
    return all;
  }
  static Record numbered(std::uint64_t number) {
    Record record;
    record.number = number;
    return record;
  }

  testing::FakeClock clock_;
  Ring ring_{clock_};
};

TEST_F(RingTest, NumbersRecordsFromOne) {
  ring_.on_event(Evicted{});
  ring_.on_event(Evicted{});

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(ring_.last_number(), 2u);
}

TEST_F(RingTest, RecordsTheTimeOfTheEvent) {
  ring_.on_event(Evicted{});

  EXPECT_EQ(ring_.newer_than(0).front().at, clock_.wall_now());
}

TEST_F(RingTest, LeavesOutWhatIsNotKept) {
  ring_.on_event(QuotaChanged{"docker.io", 100, 99});

  EXPECT_TRUE(numbers().empty());
}

TEST_F(RingTest, GivesOnlyWhatIsNewer) {
  for (int i = 0; i < 3; ++i) ring_.on_event(Evicted{});

  EXPECT_EQ(numbers(1), (std::vector<std::uint64_t>{2, 3}));
  EXPECT_TRUE(numbers(3).empty());
  EXPECT_TRUE(numbers(99).empty());
}

TEST_F(RingTest, ForgetsTheOldestAboveItsBound) {
  for (std::size_t i = 0; i < Ring::kMostRecords + 2; ++i) ring_.on_event(Evicted{});

  EXPECT_EQ(numbers().size(), Ring::kMostRecords);
  EXPECT_EQ(numbers().front(), 3u);
}

TEST_F(RingTest, NoNumberIsGivenOutTwice) {
  ring_.restore({numbered(7), numbered(8)});

  ring_.on_event(Evicted{});

  EXPECT_EQ(numbers().size(), 3u);
  // A killed process may have used the numbers after 8, and lost their records.
  EXPECT_GT(numbers().back(), 8u + Ring::kMostRecords);
}

TEST_F(RingTest, KeepsWhatStandsBeforeAGap) {
  ring_.restore({numbered(2), numbered(3), numbered(7), numbered(8)});

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{2, 3, 7, 8}));
  EXPECT_EQ(numbers(3), (std::vector<std::uint64_t>{7, 8}));
  EXPECT_EQ(numbers(5), (std::vector<std::uint64_t>{7, 8}));
}

TEST_F(RingTest, DropsWhatStandsBeforeANumberThatDoesNotRise) {
  ring_.restore({numbered(7), numbered(8), numbered(3), numbered(4)});

  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{3, 4}));
}

TEST_F(RingTest, TellsOfEachNewRecord) {
  std::vector<std::uint64_t> told;
  ring_.on_recorded([&](const Record& record) { told.push_back(record.number); });

  ring_.on_event(Evicted{});
  ring_.on_event(QuotaChanged{"docker.io", 100, 99});
  ring_.on_event(Evicted{});

  EXPECT_EQ(told, (std::vector<std::uint64_t>{1, 2}));
}

}  // namespace
}  // namespace layby::events
