// SPDX-License-Identifier: Apache-2.0
//
// A blob's bytes on their way from the loop thread to the blob's lane. Upstream sends pieces
// of some kilobytes; the queue joins them into blocks, so that the disk gets long writes.
// Blocks are reused, since getting fresh memory from the kernel takes longer than filling it.
// Invariants: no waiting block is empty, and while blocks wait, a taker is on the way.

#ifndef LAYBY_STORE_WRITE_QUEUE_H_
#define LAYBY_STORE_WRITE_QUEUE_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace layby::store {

class WriteQueue {
 public:
  static constexpr std::size_t kBlockBytes = 128 * 1024;

  class Block {
   public:
    Block() : data_(std::make_unique_for_overwrite<char[]>(kBlockBytes)) {}

    std::string_view bytes() const { return {data_.get(), size_}; }
    void clear() { size_ = 0; }
    // Copies as much as fits, and removes it from the front of `bytes`.
    void take_from(std::string_view& bytes);

   private:
    std::unique_ptr<char[]> data_;
    std::size_t size_ = 0;
  };

  // Returns true when no taker is on the way: the caller must send one, which calls pop()
  // until it returns nothing.
  [[nodiscard]] bool push(std::string_view bytes);
  // The oldest block. Returning none ends the taker's way: the next push() asks for a new one.
  std::optional<Block> pop();
  void give_back(Block block);

 private:
  void add_block();

  std::mutex mutex_;  // Guards all members below.
  std::deque<Block> waiting_;
  std::vector<Block> spare_;
  bool sent_ = false;  // A taker is on the way.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_WRITE_QUEUE_H_
