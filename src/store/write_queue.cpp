// SPDX-License-Identifier: Apache-2.0
//
// push() copies bytes into the open block without the mutex. push_ahead() holds the mutex while it
// copies. Only the taker may wait for the mutex meanwhile, and a copy takes much less time than a
// write to the disk.

#include "store/write_queue.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <iterator>
#include <utility>

namespace layby::store {
namespace {

// About the number of blocks that a fast upstream has in the queue at a time.
constexpr std::size_t kMaxSpareBlocks = 4;

}  // namespace

void WriteQueue::Block::take_from(std::string_view& bytes) {
  const std::size_t taken = std::min(bytes.size(), kBlockBytes - size_);
  std::memcpy(data_.get() + size_, bytes.data(), taken);
  size_ += taken;
  assert(size_ <= kBlockBytes);
  bytes.remove_prefix(taken);
}

bool WriteQueue::push(std::string_view bytes) {
  bool send = false;
  while (!bytes.empty()) {
    if (!open_) open_ = open_block();
    open_->take_from(bytes);
    if (!open_->has_room() && flush()) send = true;
  }
  return send;
}

bool WriteQueue::flush() {
  if (!open_) return false;
  assert(open_->place == Place::kEnd && open_->size() > 0);
  const std::lock_guard lock(mutex_);
  waiting_.push_back(*std::exchange(open_, std::nullopt));
  return send_taker();
}

// Opens the last block again if it still waits and has room. Otherwise a slow disk would let many
// small blocks wait, each with the memory of a large block.
WriteQueue::Block WriteQueue::open_block() {
  const std::lock_guard lock(mutex_);
  assert(sent_ || waiting_.empty());
  const auto last = std::find_if(waiting_.rbegin(), waiting_.rend(),
                                 [](const Block& one) { return one.place != Place::kAhead; });
  if (last == waiting_.rend() || last->place != Place::kEnd || !last->has_room()) {
    return take_spare();
  }
  Block block = std::move(*last);
  waiting_.erase(std::next(last).base());
  return block;
}

bool WriteQueue::push_ahead(std::uint64_t offset, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  const auto before = std::find_if(waiting_.rbegin(), waiting_.rend(), [offset](const Block& one) {
    return one.place == Place::kAhead && one.offset + one.size() == offset;
  });
  const std::size_t all = bytes.size();
  if (before != waiting_.rend()) before->take_from(bytes);
  while (!bytes.empty()) {
    Block& block = add_block(Place::kAhead);
    block.offset = offset + (all - bytes.size());
    block.take_from(bytes);
  }
  return send_taker();
}

bool WriteQueue::push_written(std::uint64_t count) {
  const bool send = flush();
  const std::lock_guard lock(mutex_);
  while (count > 0) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(count, kBlockBytes));
    add_block(Place::kWritten).make_room(size);
    count -= size;
  }
  return send_taker() || send;
}

bool WriteQueue::send_taker() { return !waiting_.empty() && !std::exchange(sent_, true); }

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

WriteQueue::Block& WriteQueue::add_block(Place place) {
  waiting_.push_back(take_spare());
  waiting_.back().place = place;
  return waiting_.back();
}

// The last used spare block, whose memory is the most likely to be in the CPU's cache.
WriteQueue::Block WriteQueue::take_spare() {
  if (spare_.empty()) return {};
  Block block = std::move(spare_.back());
  spare_.pop_back();
  assert(block.bytes().empty());
  block.place = Place::kEnd;
  return block;
}

}  // namespace layby::store
