// SPDX-License-Identifier: Apache-2.0
//
// push() copies bytes while it holds the mutex. Only the taker may wait for the mutex meanwhile,
// and a copy takes much less time than a write to the disk.

#include "store/write_queue.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace layby::store {
namespace {

// About the number of blocks that a fast upstream has in the queue at a time.
constexpr std::size_t kMaxSpareBlocks = 8;

}  // namespace

void WriteQueue::Block::take_from(std::string_view& bytes) {
  const std::size_t taken = std::min(bytes.size(), kBlockBytes - size_);
  std::memcpy(data_.get() + size_, bytes.data(), taken);
  size_ += taken;
  assert(size_ <= kBlockBytes);
  bytes.remove_prefix(taken);
}

bool WriteQueue::push(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  assert(sent_ || waiting_.empty());
  if (!waiting_.empty()) waiting_.back().take_from(bytes);
  while (!bytes.empty()) {
    add_block();
    waiting_.back().take_from(bytes);
  }
  return !std::exchange(sent_, true);
}

std::optional<WriteQueue::Block> WriteQueue::pop() {
  const std::lock_guard lock(mutex_);
  assert(sent_ || waiting_.empty());
  sent_ = !waiting_.empty();
  if (!sent_) return std::nullopt;
  Block block = std::move(waiting_.front());
  waiting_.pop_front();
  assert(!block.bytes().empty());
  return block;
}

void WriteQueue::give_back(Block block) {
  block.clear();
  const std::lock_guard lock(mutex_);
  if (spare_.size() < kMaxSpareBlocks) spare_.push_back(std::move(block));
}

void WriteQueue::add_block() {
  if (spare_.empty()) {
    waiting_.emplace_back();
    return;
  }
  // Takes the last used spare block: its memory is the most likely to be in the CPU's cache.
  assert(spare_.back().bytes().empty());
  waiting_.push_back(std::move(spare_.back()));
  spare_.pop_back();
}

}  // namespace layby::store
