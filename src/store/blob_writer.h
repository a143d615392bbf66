// SPDX-License-Identifier: Apache-2.0
//
// A DiskBlobWriter writes one blob. It lives on the loop thread and belongs to the caller. The
// writer's Jobs run one at a time in the digest's lane and may outlive the writer. Jobs report by
// posting to the loop; a report to a destroyed writer is dropped. Invariants: on_ready() comes
// first, queued_bytes_ are exactly the bytes that on_block(), on_ahead() and on_ahead_failed()
// have not reported, and while the queue has an open block, flush_soon() has deferred its flush.

#ifndef LAYBY_STORE_BLOB_WRITER_H_
#define LAYBY_STORE_BLOB_WRITER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "layby/base/clock.h"
#include "layby/base/lifetime.h"
#include "layby/cache/store.h"
#include "layby/event/workers.h"
#include "store/core.h"
#include "store/digest_lanes.h"
#include "store/growing_file.h"

namespace layby::store {

class DiskBlobWriter final : public cache::BlobWriter {
 public:
  // `indexed_bytes` is the blob's size in the index; nullopt when the index doesn't know the blob.
  DiskBlobWriter(std::shared_ptr<Core> core, std::shared_ptr<DigestLane> lane,
                 const oci::Digest& digest, std::optional<std::uint64_t> indexed_bytes,
                 const Clock& clock, cache::BlobWriterEvents& events);
  ~DiskBlobWriter() override;

  std::shared_ptr<cache::BlobFile> file() const override { return file_; }
  void append(std::string_view bytes) override;
  void write_ahead(std::uint64_t offset, std::string_view bytes) override;
  void append_written(std::uint64_t count) override;
  std::uint64_t queued_bytes() const override { return queued_bytes_; }
  void stop_keeping() override;
  void release(std::uint64_t offset) override;
  void finish() override;

 private:
  class Jobs;

  void flush_soon();
  void on_ready(std::shared_ptr<GrowingFile> file, std::uint64_t kept_bytes, bool whole);
  void on_unkept(std::shared_ptr<MemoryTail> tail, const Error& reason);
  void on_ahead(std::shared_ptr<cache::BlobFile> ahead, std::uint64_t offset, std::uint64_t bytes);
  void on_ahead_failed(std::uint64_t bytes, const Error& reason);
  // `disk` is the file on the disk, if there is one.
  void on_block(std::shared_ptr<cache::BlobFile> disk, std::uint64_t block_bytes,
                std::uint64_t total_bytes);

  cache::BlobWriterEvents& events_;
  const Clock& clock_;
  std::shared_ptr<GrowingFile> file_;
  std::uint64_t queued_bytes_ = 0;
  bool flushing_ = false;  // A flush is deferred.
  const Lifetime life_;    // Declared before jobs_, which get a watch on life_.
  const std::shared_ptr<Jobs> jobs_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_BLOB_WRITER_H_
