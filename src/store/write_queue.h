// SPDX-License-Identifier: Apache-2.0
//
// A blob's bytes on their way from the loop thread to its lane. Upstream's come in pieces
// of some kilobytes; they are put together in blocks, so that the disk gets long writes.
// Blocks are used again: the kernel takes longer to give fresh memory than to fill it.

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
    // Copies what there is room for, and takes it off `bytes`.
    void take_from(std::string_view& bytes);

   private:
    std::unique_ptr<char[]> data_;
    std::size_t size_ = 0;
  };

  // True when nobody is on the way to pop() it: somebody must be sent.
  [[nodiscard]] bool push(std::string_view bytes);
  // The oldest block. Without one, whoever was sent is done, and the next push() says so.
  std::optional<Block> pop();
  void give_back(Block block);

 private:
  void add_block();

  std::mutex mutex_;  // Guards all that follows.
  std::deque<Block> waiting_;
  std::vector<Block> spare_;
  bool sent_ = false;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_WRITE_QUEUE_H_
