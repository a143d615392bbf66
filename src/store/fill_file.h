// SPDX-License-Identifier: Apache-2.0
//
// The file of one fill. Helper threads make the blocking calls open, write, verify, publish and
// settle in this order. If the blob's file is in blobs/ already, the file's bytes count as kept;
// open() hashes these bytes unless the index knows the file with this size. When the disk takes no
// more bytes, later bytes go to memory, and verify() is the last step. Invariants: size_bytes_ and
// sha_ cover the same bytes unless the file is indexed, and tail_ never changes after it was set.

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

  // Called once. Creates no file: write() creates the partial file at the first byte. If the disk
  // fails, the blob isn't kept, and all its bytes go to memory.
  Status open();
  // Appends `bytes` to the file, or to memory after the disk has failed.
  Status write(std::string_view bytes);
  // Sends later bytes to memory. Has no effect on a published file.
  Status stop_keeping(Error reason);
  // Called once. If the digest doesn't match, deletes the file and returns kCorrupt.
  Status verify();
  // Called after verify(), for a kept blob only. The published file is durable when Ok is returned.
  Status publish();
  // Called after the index has committed the blob. Removes the partial name.
  void settle();

  // The file on the disk; null before the first byte, and if the disk failed before that byte.
  std::shared_ptr<cache::BlobFile> file() const { return file_; }
  // The bytes that aren't kept on the disk; null while the disk takes all bytes.
  std::shared_ptr<MemoryTail> tail() const { return tail_; }
  // Why the blob isn't kept. Called only if there is a tail.
  const Error& unkept_reason() const {
    assert(tail_);
    return unkept_reason_;
  }
  std::uint64_t size_bytes() const { return size_bytes_; }
  std::uint64_t disk_bytes_written() const { return disk_bytes_written_; }
  // Whether the bytes so far match the digest. Called before verify().
  bool is_whole() const;
  // Whether the bytes are in the published file, which must then stay in its place.
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
  Status create();
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
  std::uint64_t writeback_bytes_ = 0;  // The kernel was told to write the bytes before this offset.
  std::uint64_t disk_bytes_written_ = 0;
  std::shared_ptr<MemoryTail> tail_;
  Error unkept_reason_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_FILL_FILE_H_
