// SPDX-License-Identifier: Apache-2.0
//
// libevent 2.1 keeps each small piece as long as a base or the process lives, so the memory of a
// released small piece isn't used again. When the memory for small pieces is used up, small pieces
// come from the heap.

#include "event/libevent_memory.h"

#include <event2/event.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace layby::event {
namespace {

constexpr std::size_t kAlignment = alignof(std::max_align_t);
// Room for the entries of 250,000 descriptors. Pages that were never written take no memory.
constexpr std::size_t kSmallMemoryBytes = 4 << 20;

alignas(kAlignment) std::array<std::byte, kSmallMemoryBytes> small_memory;
std::atomic<std::size_t> taken_bytes{0};

// The number of bytes from `piece` to the end of the memory for small pieces; 0 for a piece that
// is on the heap.
std::size_t room_after(const void* piece) {
  const auto at = reinterpret_cast<std::uintptr_t>(piece);
  const auto begin = reinterpret_cast<std::uintptr_t>(small_memory.data());
  return at >= begin && at < begin + kSmallMemoryBytes ? begin + kSmallMemoryBytes - at : 0;
}

}  // namespace

void keep_small_memory_apart() {
  [[maybe_unused]] static const bool done = [] {
    event_set_mem_functions(allocate, reallocate, release);
    return true;
  }();
}

void* allocate(std::size_t size) {
  if (size > kMostSmallBytes) return std::malloc(size);
  const std::size_t rounded = (size + kAlignment - 1) / kAlignment * kAlignment;
  const std::size_t at = taken_bytes.fetch_add(rounded, std::memory_order_relaxed);
  if (at + rounded <= kSmallMemoryBytes) return small_memory.data() + at;
  return std::malloc(size);
}

void* reallocate(void* piece, std::size_t size) {
  const std::size_t room = room_after(piece);
  if (room == 0) return std::realloc(piece, size);
  void* const moved = std::malloc(size);
  // The length of the piece isn't known, so bytes after the piece may be copied too. They do no
  // harm.
  if (moved != nullptr) std::memcpy(moved, piece, std::min({size, room, kMostSmallBytes}));
  return moved;
}

void release(void* piece) {
  if (room_after(piece) == 0) std::free(piece);
}

std::size_t small_memory_bytes() {
  return std::min(taken_bytes.load(std::memory_order_relaxed), kSmallMemoryBytes);
}

}  // namespace layby::event
