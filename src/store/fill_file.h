// SPDX-License-Identifier: Apache-2.0
//
// The file of one fill. The steps are open, write, verify, publish, settle: blocking calls,
// made in this order, on helper threads. If the blob's file is in blobs/ already, its bytes
// count as kept; they are hashed in place unless the index knows the file with this size.
// When the disk takes no more, later bytes go to memory, and verify() is the last step.
// Invariants: size_bytes_ and sha_ cover the same bytes unless the file is indexed, and
// tail_, once set, stays.

#ifndef LAYBY_STORE_FILL_FILE_H_
#define LAYBY_STORE_FILL_FILE_H_

#include <atomic>
#include <cassert>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/sha.h"
#include "store/blob_files.h"
#include "store/growing_file.h"

namespace layby::store {

class FillFile {
 public:
  // `indexed_bytes` is the blob's size in the index, if the index knows the blob. Setting
  // `stopped` ends the hashing of kept bytes early, with kCancelled.
  FillFile(BlobFiles& files, oci::Digest digest, std::optional<std::uint64_t> indexed_bytes,
           const std::atomic<bool>& stopped);

  // Once. On an error of the disk the blob isn't kept: all its bytes go to memory.
  Status open();
  // Appends; to memory when the disk fails.
  Status write(std::string_view bytes);
  // Bytes that are written from now on go to memory.
  Status stop_keeping(Error reason);
  // Once. When the digest doesn't match (kCorrupt), the file is deleted.
  Status verify();
  // After verify(), for a kept blob only. The published file is durable when this returns Ok.
  Status publish();
  // After the index has committed the blob: removes the partial name.
  void settle();

  // The file on the disk, null when the disk failed in open().
  std::shared_ptr<cache::BlobFile> file() const { return file_; }
  // The bytes that aren't kept on the disk; null while the disk takes all bytes.
  std::shared_ptr<MemoryTail> tail() const { return tail_; }
  // Why the blob isn't kept; only with a tail.
  const Error& unkept_reason() const {
    assert(tail_);
    return unkept_reason_;
  }
  std::uint64_t size_bytes() const { return size_bytes_; }
  std::uint64_t disk_bytes_written() const { return disk_bytes_written_; }
  // The bytes so far match the digest. Before verify().
  bool is_whole() const;
  // The bytes are in the published file, which must stay in its place.
  bool uses_published() const { return place_ != Place::kPartial; }

 private:
  // Where the bytes are.
  enum class Place {
    kPartial,    // Under partial/, being written.
    kPublished,  // Under blobs/, not in the index.
    kIndexed,    // Under blobs/, in the index with the same size: verified and durable.
  };

  Status open_existing(UniqueFd fd);
  Status open_on_disk();
  Status hash_kept();
  Status write_to_disk(std::string_view& bytes);
  void start_writeback();
  void discard();
  std::string path() const;

  BlobFiles& files_;
  const oci::Digest digest_;
  const std::optional<std::uint64_t> indexed_bytes_;
  const std::atomic<bool>& stopped_;
  Place place_ = Place::kPartial;
  std::shared_ptr<DiskFile> file_;
  Sha sha_;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t writeback_bytes_ = 0;  // The kernel was told to write up to here.
  std::uint64_t disk_bytes_written_ = 0;
  std::shared_ptr<MemoryTail> tail_;
  Error unkept_reason_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_FILL_FILE_H_
