// SPDX-License-Identifier: Apache-2.0
//
// A queue of a blob's bytes from the loop thread to the blob's lane. The queue joins the small
// pieces from upstream into blocks, so that the disk gets long writes, and each thread wakes the
// other seldom. The last block stays open until it is full or the loop thread calls flush(). Blocks
// are reused, since fresh memory from the kernel costs more time than copying the bytes. A taker is
// a job that calls pop() until pop() returns nothing. Blocks for the end of the blob keep their
// order. A block ahead may overtake blocks of other places, because its bytes have a place of their
// own. Invariants: no block that is open or waits is empty, and while blocks wait, a taker is
// queued or runs.

#ifndef LAYBY_STORE_WRITE_QUEUE_H_
#define LAYBY_STORE_WRITE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace layby::store {

class WriteQueue {
 public:
  static constexpr std::size_t kBlockBytes = 256 * 1024;

  enum class Place {
    kEnd,      // The bytes belong to the end of the blob.
    kAhead,    // The bytes belong to `offset`, beyond the end of the blob.
    kWritten,  // The block has only room. Its bytes were written ahead, and belong to the end now.
  };

  class Block {
   public:
    Block() : data_(std::make_unique_for_overwrite<char[]>(kBlockBytes)) {}

    Place place = Place::kEnd;
    std::uint64_t offset = 0;  // Of the first byte; for kAhead only.

    std::string_view bytes() const { return {data_.get(), size_}; }
    char* data() { return data_.get(); }
    std::size_t size() const { return size_; }
    bool has_room() const { return size_ < kBlockBytes; }
    void clear() { size_ = 0; }
    // Makes the block an empty block with room for `size` bytes.
    void make_room(std::size_t size) { size_ = size; }
    // Moves as many bytes as fit from the front of `bytes` into the block.
    void take_from(std::string_view& bytes);

   private:
    std::unique_ptr<char[]> data_;
    std::size_t size_ = 0;
  };

  // The loop thread calls these five functions. Those that return bool return true if the caller
  // must send a taker, since none is queued or runs.
  [[nodiscard]] bool push(std::string_view bytes);
  [[nodiscard]] bool push_ahead(std::uint64_t offset, std::string_view bytes);
  [[nodiscard]] bool push_written(std::uint64_t count);
  // Closes the open block.
  [[nodiscard]] bool flush();
  bool has_open() const { return open_.has_value(); }
  // Returns the oldest block. After pop() has returned nothing, the next waiting block asks
  // for a new taker.
  std::optional<Block> pop();
  void give_back(Block block);

 private:
  Block open_block();
  Block take_spare();
  Block& add_block(Place place);
  bool send_taker();

  std::optional<Block> open_;  // Never empty. Used by the loop thread only.
  std::mutex mutex_;           // Guards all members below.
  std::deque<Block> waiting_;
  std::vector<Block> spare_;
  bool sent_ = false;  // A taker is queued or runs.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_WRITE_QUEUE_H_
