// SPDX-License-Identifier: Apache-2.0
//
// The copy is under the lock: it is short beside a write, and nobody else waits for it.

#include "store/write_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace layby::store {
namespace {

// As many as a fast upstream has queued at most.
constexpr std::size_t kMaxSpareBlocks = 8;

}  // namespace

void WriteQueue::Block::take_from(std::string_view& bytes) {
  const std::size_t taken = std::min(bytes.size(), kBlockBytes - size_);
  std::memcpy(data_.get() + size_, bytes.data(), taken);
  size_ += taken;
  bytes.remove_prefix(taken);
}

bool WriteQueue::push(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (!waiting_.empty()) waiting_.back().take_from(bytes);
  while (!bytes.empty()) {
    add_block();
    waiting_.back().take_from(bytes);
  }
  return !std::exchange(sent_, true);
}

std::optional<WriteQueue::Block> WriteQueue::pop() {
  const std::lock_guard lock(mutex_);
  sent_ = !waiting_.empty();
  if (!sent_) return std::nullopt;
  Block block = std::move(waiting_.front());
  waiting_.pop_front();
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
  // The one that was used last: its memory is the most likely to be in the CPU's cache.
  waiting_.push_back(std::move(spare_.back()));
  spare_.pop_back();
}

}  // namespace layby::store
