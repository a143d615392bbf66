// SPDX-License-Identifier: Apache-2.0
//
// The readers of one fill. Knows how far the slowest reader is, and tells the readers of new bytes
// and of the end. A reader shares the file, so the reader can go on after the fill is over. A
// reader that hears of bytes may leave, remove readers and add readers. Lives on the loop thread.
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
    // The end of the readable bytes for a reader at `position`. `takes_last` is what on_want()
    // said.
    virtual std::uint64_t readable_from(std::uint64_t /*position*/, bool /*takes_last*/) const {
      return readable_bytes();
    }
    // A reader will read the bytes [first, end). Returns whether these bytes may be read to their
    // end before the digest was checked. A call like on_consumed().
    virtual bool on_want(std::uint64_t /*first*/, std::uint64_t /*end*/) { return false; }
    // A reader consumed bytes or left. A reader calls on_consumed() inside its own functions, so
    // the source must not tell or dismiss readers before on_consumed() returns.
    virtual void on_consumed() = 0;

   protected:
    ~Source() = default;
  };

  explicit FillReaders(Source& source) : source_(source) {}
  FillReaders(const FillReaders&) = delete;
  FillReaders& operator=(const FillReaders&) = delete;
  // All readers must have left or been dismissed before the destructor runs.
  ~FillReaders();

  // Adds a reader of the growing `file`, for a blob of `size_bytes`. A reader leaves when it is
  // destroyed. The reader keeps `stay`, the Stay of its client.
  std::unique_ptr<BlobReader> add(std::shared_ptr<BlobFile> file, std::uint64_t size_bytes,
                                  std::shared_ptr<FillClients::Stay> stay = nullptr);

  bool any() const { return count() > 0; }
  int count() const;
  // The position of the slowest reader, in bytes of the blob; empty without readers.
  std::optional<std::uint64_t> slowest() const;

  // The bytes that the readers still want. A reader that said nothing wants the whole blob.
  std::vector<BlobSpan> wants() const;

  // Lets the readers go on in another file. Called before any reader has had a byte to read.
  void go_on_in(const std::shared_ptr<BlobFile>& file);
  // Tells readers that more bytes are readable. Does nothing while readers are being told.
  void tell();
  // Detaches all readers: no more bytes will come, and the first `readable_bytes` bytes stay
  // readable. If `status` is an error, the readers hear of it.
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
