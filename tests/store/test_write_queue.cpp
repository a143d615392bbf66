// SPDX-License-Identifier: Apache-2.0
//
// pop() returns pieces in order and in blocks, and the queue asks for a taker only once.

#include "store/write_queue.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

namespace layby::store {
namespace {

constexpr std::size_t kBlock = WriteQueue::kBlockBytes;

std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  unsigned value = 1;
  for (char& byte : bytes) byte = static_cast<char>((value = value * 1664525 + 1013904223) >> 24);
  return bytes;
}

std::string pop_all(WriteQueue& queue) {
  std::string all;
  while (auto block = queue.pop()) {
    all += block->bytes();
    queue.give_back(*std::move(block));
  }
  return all;
}

TEST(WriteQueue, JoinsPieces) {
  WriteQueue queue;
  EXPECT_FALSE(queue.push("one "));
  EXPECT_FALSE(queue.push("two"));
  EXPECT_FALSE(queue.pop());
  EXPECT_TRUE(queue.flush());
  const auto block = queue.pop();
  ASSERT_TRUE(block);
  EXPECT_EQ(block->bytes(), "one two");
  EXPECT_FALSE(queue.pop());
}

TEST(WriteQueue, AFlushWithoutPiecesAsksForNothing) {
  WriteQueue queue;
  EXPECT_FALSE(queue.flush());
  EXPECT_TRUE(queue.push(noise(kBlock)));
  EXPECT_FALSE(queue.has_open());
  EXPECT_FALSE(queue.flush());
}

TEST(WriteQueue, PiecesJoinAFlushedBlockThatStillWaits) {
  WriteQueue queue;
  EXPECT_FALSE(queue.push("one "));
  EXPECT_TRUE(queue.flush());
  EXPECT_FALSE(queue.push_ahead(1000, "ahead"));
  EXPECT_FALSE(queue.push("two"));
  EXPECT_FALSE(queue.flush());  // The taker of "one " is on the way.
  EXPECT_EQ(queue.pop()->bytes(), "ahead");
  EXPECT_EQ(queue.pop()->bytes(), "one two");
  EXPECT_FALSE(queue.pop());
}

TEST(WriteQueue, SplitsPiecesLargerThanABlock) {
  WriteQueue queue;
  const std::string bytes = noise(2 * kBlock + 10);
  EXPECT_TRUE(queue.push(bytes));
  EXPECT_FALSE(queue.flush());
  EXPECT_EQ(queue.pop()->bytes().size(), kBlock);
  EXPECT_EQ(queue.pop()->bytes(), bytes.substr(kBlock, kBlock));
  EXPECT_EQ(queue.pop()->bytes(), bytes.substr(2 * kBlock));
  EXPECT_FALSE(queue.pop());
}

TEST(WriteQueue, AReusedBlockIsEmpty) {
  WriteQueue queue;
  EXPECT_TRUE(queue.push(noise(kBlock)));
  EXPECT_EQ(pop_all(queue), noise(kBlock));
  EXPECT_FALSE(queue.push("short"));
  EXPECT_TRUE(queue.flush());
  EXPECT_EQ(pop_all(queue), "short");
}

TEST(WriteQueue, AsksForATakerOnlyWhenNoneIsOnTheWay) {
  WriteQueue queue;
  EXPECT_TRUE(queue.push(noise(kBlock)));
  EXPECT_TRUE(queue.pop());
  EXPECT_FALSE(queue.push("b"));
  EXPECT_FALSE(queue.flush());  // The taker of the first block calls pop() again.
  EXPECT_TRUE(queue.pop());
  EXPECT_FALSE(queue.pop());
  EXPECT_TRUE(queue.push(noise(kBlock)));
}

TEST(WriteQueue, PiecesAheadJoinTheBlockBeforeThem) {
  WriteQueue queue;
  EXPECT_TRUE(queue.push_ahead(1000, "ab"));
  EXPECT_FALSE(queue.push_ahead(2000, "xy"));
  EXPECT_FALSE(queue.push_ahead(1002, "cd"));
  const auto first = queue.pop();
  EXPECT_EQ(first->bytes(), "abcd");
  EXPECT_EQ(first->place, WriteQueue::Place::kAhead);
  EXPECT_EQ(first->offset, 1000u);
  const auto second = queue.pop();
  EXPECT_EQ(second->bytes(), "xy");
  EXPECT_EQ(second->offset, 2000u);
  EXPECT_FALSE(queue.pop());
}

TEST(WriteQueue, PieceAheadOfMoreThanABlockKeepsItsPlaces) {
  WriteQueue queue;
  const std::string bytes = noise(kBlock + 10);
  EXPECT_TRUE(queue.push_ahead(1000, bytes));
  EXPECT_EQ(queue.pop()->offset, 1000u);
  const auto second = queue.pop();
  EXPECT_EQ(second->offset, 1000 + kBlock);
  EXPECT_EQ(second->bytes(), bytes.substr(kBlock));
}

TEST(WriteQueue, EndKeepsItsOrder) {
  WriteQueue queue;
  EXPECT_FALSE(queue.push("one"));
  EXPECT_TRUE(queue.push_ahead(1000, "ahead"));
  EXPECT_FALSE(queue.push(" two"));
  EXPECT_FALSE(queue.push_written(kBlock + 5));
  EXPECT_FALSE(queue.push("three"));
  EXPECT_FALSE(queue.flush());
  EXPECT_EQ(queue.pop()->bytes(), "ahead");
  EXPECT_EQ(queue.pop()->bytes(), "one two");
  const auto written = queue.pop();
  EXPECT_EQ(written->place, WriteQueue::Place::kWritten);
  EXPECT_EQ(written->size(), kBlock);
  EXPECT_EQ(queue.pop()->size(), 5u);
  const auto last = queue.pop();
  EXPECT_EQ(last->place, WriteQueue::Place::kEnd);
  EXPECT_EQ(last->bytes(), "three");
}

TEST(WriteQueue, TwoThreadsLoseNothing) {
  WriteQueue queue;
  const std::string sent = noise(8 * kBlock);
  std::string got;
  std::thread taker([&] {
    while (got.size() < sent.size()) got += pop_all(queue);
  });
  for (std::size_t at = 0; at < sent.size(); at += 10'000) {
    (void)queue.push(std::string_view(sent).substr(at, 10'000));
    if (at % 30'000 == 0) (void)queue.flush();
  }
  (void)queue.flush();
  taker.join();
  EXPECT_EQ(got, sent);
}

}  // namespace
}  // namespace layby::store
