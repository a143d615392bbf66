// SPDX-License-Identifier: Apache-2.0
//
// A queue of a blob's bytes from the loop thread to the blob's lane. The queue joins the small
// pieces from upstream into blocks, so that the disk gets long writes. Blocks are reused, since
// fresh memory from the kernel costs more time than copying the bytes. A taker is a job that calls
// pop() until pop() returns nothing. Invariants: no waiting block is empty, and while blocks wait,
// a taker is queued or runs.

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
    // Moves as many bytes as fit from the front of `bytes` into the block.
    void take_from(std::string_view& bytes);

   private:
    std::unique_ptr<char[]> data_;
    std::size_t size_ = 0;
  };

  // Returns true if the caller must send a taker, since none is queued or runs.
  [[nodiscard]] bool push(std::string_view bytes);
  // Returns the oldest block. After pop() has returned nothing, the next push() asks for a new
  // taker.
  std::optional<Block> pop();
  void give_back(Block block);

 private:
  void add_block();

  std::mutex mutex_;  // Guards all members below.
  std::deque<Block> waiting_;
  std::vector<Block> spare_;
  bool sent_ = false;  // A taker is queued or runs.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_WRITE_QUEUE_H_
