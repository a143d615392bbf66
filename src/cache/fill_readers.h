// SPDX-License-Identifier: Apache-2.0
//
// The readers of one fill. Knows how far the slowest reader is, and tells the readers of new
// bytes and of the end. A reader shares the file, so the reader can go on after the fill is over.
// A reader that is being told may leave, remove readers and add readers. Lives on the loop thread.
//
// Invariants:
// - Each living reader has one place in readers_ until dismiss() takes it out.
// - A place is null only while readers are being told.
// - A reader hears of a failed fill once, as the last call to its listener.

#ifndef LAYBY_CACHE_FILL_READERS_H_
#define LAYBY_CACHE_FILL_READERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "cache/fill_clients.h"
#include "layby/cache/cache.h"

namespace layby::cache {

class FillReaders {
 public:
  // The fill as its readers see it. The fill dismisses the readers before it is destroyed.
  class Source {
   public:
    virtual std::uint64_t readable_bytes() const = 0;
    // A reader consumed bytes or left. The call comes inside a reader's own call, so the source
    // must not tell or dismiss readers before on_consumed() returns.
    virtual void on_consumed() = 0;

   protected:
    ~Source() = default;
  };

  explicit FillReaders(Source& source) : source_(source) {}
  FillReaders(const FillReaders&) = delete;
  FillReaders& operator=(const FillReaders&) = delete;
  // Before the destructor, all readers have left or were dismissed.
  ~FillReaders();

  // Adds a reader of the growing `file` of a blob of `size_bytes`. A destroyed reader leaves.
  // The reader holds its client's `stay`.
  std::unique_ptr<BlobReader> add(std::shared_ptr<BlobFile> file, std::uint64_t size_bytes,
                                  std::shared_ptr<FillClients::Stay> stay = nullptr);

  bool any() const { return count() > 0; }
  int count() const;
  // The position of the slowest reader, in bytes of the blob; empty without readers.
  std::optional<std::uint64_t> slowest() const;

  // The bytes will be in `file` instead. No reader has had a byte to read.
  void go_on_in(const std::shared_ptr<BlobFile>& file);
  // Tells readers that more bytes are readable. Does nothing while readers are being told.
  void tell();
  // Detaches all readers: no more bytes will come, and `readable_bytes` stay readable. Readers
  // hear of a `status` that isn't ok.
  void dismiss(const Status& status, std::uint64_t readable_bytes);

 private:
  class Reader;

  // Calls `call` with each reader's place.
  template <typename Call>
  void for_each(Call call);
  void leave(const Reader* reader);

  Source& source_;
  std::vector<Reader*> readers_;
  bool joined_ = false;   // The next reader joins the fill of an earlier reader.
  bool telling_ = false;  // While readers are being told, no place is erased.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILL_READERS_H_
