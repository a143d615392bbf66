// SPDX-License-Identifier: Apache-2.0
//
// The readers of one fill: how far the slowest is, and the calls that tell them. A reader
// holds the file itself, so it goes on after the fill is over. A reader that is told may
// leave, remove other readers and add more. Lives on the loop thread.
//
// Invariants:
// - Each living reader has one place in readers_ until dismiss() takes it out.
// - A place is null only while readers are told.
// - A reader hears of the end once, and of nothing after that.

#ifndef LAYBY_CACHE_FILL_READERS_H_
#define LAYBY_CACHE_FILL_READERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "layby/cache/cache.h"

namespace layby::cache {

class FillReaders {
 public:
  // The fill, as its readers use it. Outlives the readers, or dismisses them.
  class Source {
   public:
    virtual std::uint64_t readable_bytes() const = 0;
    // A reader consumed bytes or left. Comes inside a reader's call, so the source must not
    // tell or dismiss readers before it returns.
    virtual void on_consumed() = 0;

   protected:
    ~Source() = default;
  };

  explicit FillReaders(Source& source) : source_(source) {}
  FillReaders(const FillReaders&) = delete;
  FillReaders& operator=(const FillReaders&) = delete;
  // All readers have left or were dismissed.
  ~FillReaders();

  // A reader of the blob of `size_bytes` that grows in `file`. It leaves when it is destroyed.
  std::unique_ptr<BlobReader> add(std::shared_ptr<BlobFile> file, std::uint64_t size_bytes);

  bool any() const { return count() > 0; }
  int count() const;
  // The position of the slowest reader, in bytes of the blob; empty without readers.
  std::optional<std::uint64_t> slowest() const;

  // More bytes are readable. Does nothing while readers are being told.
  void tell();
  // Detaches all readers: no more bytes will come, and `readable_bytes` stay readable. A
  // status that isn't ok is told.
  void dismiss(const Status& status, std::uint64_t readable_bytes);

 private:
  class Reader;

  // Calls `call` with each reader's place.
  template <typename Call>
  void for_each(Call call);
  void leave(const Reader* reader);

  Source& source_;
  std::vector<Reader*> readers_;
  bool telling_ = false;  // Readers are being told: their places stay.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILL_READERS_H_
