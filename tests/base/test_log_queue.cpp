// SPDX-License-Identifier: Apache-2.0
//
// Tests a log whose reader is slow or gone. No push waits for the reader, and the log says how many
// lines are missing.

#include "base/log_queue.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <regex>
#include <string>

#include "layby/base/fd.h"

namespace layby::log {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBufferBytes = 4096;
constexpr milliseconds kLong{60'000};

class LogQueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
  }
  // Closes the reader, so that the thread's writes fail. Then waits for the thread, so that the
  // thread doesn't write to the pipe of the next test.
  void TearDown() override {
    reader_.reset();
    if (queue_) {
      EXPECT_TRUE(queue_->flush(kLong));
    }
  }

  LogQueue& start() {
    queue_ = std::make_unique<LogQueue>(writer_.get(), kBufferBytes);
    return *queue_;
  }

  // Fills the pipe, so that the next write waits for a reader. Returns the number of bytes in
  // the pipe.
  std::size_t fill_pipe() {
    ::fcntl(writer_.get(), F_SETFL, O_NONBLOCK);
    const std::string blanks(4096, ' ');
    std::size_t filled = 0;
    for (ssize_t wrote = 0; wrote >= 0; filled += static_cast<std::size_t>(wrote > 0 ? wrote : 0)) {
      wrote = ::write(writer_.get(), blanks.data(), blanks.size());
    }
    ::fcntl(writer_.get(), F_SETFL, 0);
    return filled;
  }

  // Reads until the text contains `end`, or until the pipe ends. Returns the text.
  std::string read_to(const std::string& end) {
    std::string text;
    std::array<char, 4096> buffer{};
    while (text.find(end) == std::string::npos) {
      const ssize_t got = ::read(reader_.get(), buffer.data(), buffer.size());
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

  UniqueFd reader_;
  UniqueFd writer_;
  std::unique_ptr<LogQueue> queue_;
};

TEST_F(LogQueueTest, LinesArriveInOrder) {
  LogQueue& queue = start();
  queue.push("one\n");
  queue.push("two\n");
  EXPECT_EQ(read_to("two\n"), "one\ntwo\n");
  EXPECT_TRUE(queue.flush(kLong));
}

TEST_F(LogQueueTest, PushDoesNotWaitForAFullPipe) {
  fill_pipe();
  LogQueue& queue = start();
  const std::string line(99, 'a');
  for (int i = 0; i < 1000; ++i) queue.push(line + "\n");
  EXPECT_GE(queue.dropped_lines(), 1000 - 2 * kBufferBytes / 100);
}

TEST_F(LogQueueTest, MissingLinesAreSaidWhereTheyAreMissing) {
  fill_pipe();
  LogQueue& queue = start();
  for (int i = 0; i < 1000; ++i) queue.push("before " + std::to_string(i) + "\n");
  // The thread may take lines between the pushes. Lines are then missing in two places, and each
  // place has a note.
  std::uint64_t told = 0;
  const std::regex note(R"(Z warn (\d+) lines of the log are missing here)");
  while (told < queue.dropped_lines()) {
    const std::string text = read_to("missing here");
    std::smatch found;
    ASSERT_TRUE(std::regex_search(text, found, note)) << text;
    told += std::stoull(found[1]);
  }
  EXPECT_EQ(told, queue.dropped_lines());
  queue.push("after\n");
  EXPECT_EQ(read_to("after\n").find("missing"), std::string::npos);
}

TEST_F(LogQueueTest, LineLargerThanTheBufferIsDropped) {
  LogQueue& queue = start();
  queue.push(std::string(kBufferBytes, 'a') + "\n");
  EXPECT_EQ(queue.dropped_lines(), 1);
}

TEST_F(LogQueueTest, FlushEndsWithoutAReader) {
  fill_pipe();
  LogQueue& queue = start();
  queue.push("stuck\n");
  EXPECT_FALSE(queue.flush(milliseconds(1)));
  queue.flush_in_crash(milliseconds(1));
}

TEST_F(LogQueueTest, FlushWaitsForTheLastLine) {
  LogQueue& queue = start();
  queue.push("last\n");
  EXPECT_TRUE(queue.flush(kLong));
  writer_.reset();
  EXPECT_EQ(read_to("never"), "last\n");
}

TEST_F(LogQueueTest, FlushInCrashWaitsForTheLastLine) {
  LogQueue& queue = start();
  queue.push("last\n");
  queue.flush_in_crash(kLong);
  ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
  EXPECT_EQ(read_to("last\n"), "last\n");
}

TEST_F(LogQueueTest, LinesOfAClosedPipeAreCounted) {
  reader_.reset();
  LogQueue& queue = start();
  queue.push("one\n");
  EXPECT_TRUE(queue.flush(kLong));
  EXPECT_EQ(queue.dropped_lines(), 1);
}

TEST_F(LogQueueTest, NonBlockingPipeLosesNothing) {
  const std::size_t filled = fill_pipe();
  ::fcntl(writer_.get(), F_SETFL, O_NONBLOCK);
  LogQueue& queue = start();
  queue.push("line\n");
  EXPECT_EQ(read_to("line\n"), std::string(filled, ' ') + "line\n");
  EXPECT_EQ(queue.dropped_lines(), 0);
}

TEST_F(LogQueueTest, LinesLeftAreWrittenAfterTheQueueIsGone) {
  start().push("left\n");
  queue_.reset();
  EXPECT_EQ(read_to("left\n"), "left\n");
}

}  // namespace
}  // namespace layby::log
