// SPDX-License-Identifier: Apache-2.0
//
// libevent's small pieces have memory of their own; all other pieces are on the heap.

#include "event/libevent_memory.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "layby/base/fd.h"
#include "layby/event/loop.h"

namespace layby::event {
namespace {

class Idle final : public IoHandler {
  void on_io(bool, bool) override {}
};

class LibeventMemoryTest : public ::testing::Test {};

TEST_F(LibeventMemoryTest, SmallPiecesLieTogether) {
  const std::size_t before = small_memory_bytes();
  auto* const first = static_cast<char*>(allocate(16));
  auto* const second = static_cast<char*>(allocate(kMostSmallBytes));
  auto* const third = static_cast<char*>(allocate(1));
  EXPECT_EQ(second - first, 16);
  EXPECT_EQ(third - second, std::ptrdiff_t{kMostSmallBytes});
  EXPECT_EQ(small_memory_bytes() - before, 16 + kMostSmallBytes + 16);
  for (char* piece : {first, second, third}) release(piece);
}

TEST_F(LibeventMemoryTest, LargerPiecesAreOnTheHeap) {
  const std::size_t before = small_memory_bytes();
  release(allocate(kMostSmallBytes + 1));
  EXPECT_EQ(small_memory_bytes(), before);
}

TEST_F(LibeventMemoryTest, APieceThatGrowsKeepsItsBytes) {
  void* piece = allocate(16);
  std::memcpy(piece, "0123456789abcdef", 16);
  for (const std::size_t size : {64, 4096}) {
    piece = reallocate(piece, size);
    EXPECT_EQ(std::string(static_cast<const char*>(piece), 16), "0123456789abcdef");
  }
  release(piece);
}

TEST_F(LibeventMemoryTest, ReallocateMakesANewPiece) {
  void* const piece = reallocate(nullptr, 100);
  EXPECT_NE(piece, nullptr);
  release(piece);
}

TEST_F(LibeventMemoryTest, TheEntriesOfDescriptorsAreSmallPieces) {
  const auto loop = *Loop::create();
  const std::size_t before = small_memory_bytes();
  constexpr std::size_t kDescriptors = 100;
  Idle idle;
  std::vector<UniqueFd> descriptors;
  std::vector<std::unique_ptr<IoWatch>> watches;
  for (std::size_t i = 0; i < kDescriptors; ++i) {
    descriptors.emplace_back(::eventfd(0, EFD_CLOEXEC));
    watches.push_back(loop->watch(descriptors.back().get(), idle));
    watches.back()->want(true, false);
  }
  EXPECT_GE(small_memory_bytes() - before, kDescriptors * 16);
}

}  // namespace
}  // namespace layby::event
