// SPDX-License-Identifier: Apache-2.0
//
// One blob on its way to the disk, step by step: open, write, verify, publish, settle.
// Blocking calls, in order, on helper threads. A file that stands published already, in
// the index or (when the index was lost) not, is taken as it is: its bytes count as kept
// and are hashed where it stands. When the disk takes no more, what comes from then on
// goes to memory, and verify() is the last step.

#ifndef LAYBY_STORE_FILL_FILE_H_
#define LAYBY_STORE_FILL_FILE_H_

#include <atomic>
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
  // `indexed_bytes` is the blob's size when the index has it. `stopped` ends the hashing
  // of kept bytes early, with kCancelled.
  FillFile(BlobFiles& files, oci::Digest digest, std::optional<std::uint64_t> indexed_bytes,
           const std::atomic<bool>& stopped);

  // An error of the disk leaves an empty blob that isn't kept.
  Status open();
  // Appends, to memory when the disk fails.
  Status write(std::string_view bytes);
  // What is written from now on goes to memory.
  Status stop_keeping(Error reason);
  // Once. kCorrupt deletes the file.
  Status verify();
  // Verified before, and kept. Durable at its published place when it returns Ok.
  Status publish();
  // Published, and in the index: only the published name remains.
  void settle();

  // The file on the disk, null when it couldn't be opened.
  std::shared_ptr<cache::BlobFile> file() const { return file_; }
  // Where the bytes are that the disk didn't take; null while it takes them all.
  std::shared_ptr<MemoryTail> tail() const { return tail_; }
  // Why; only with a tail.
  const Error& unkept_reason() const { return unkept_reason_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  std::uint64_t disk_bytes_written() const { return disk_bytes_written_; }
  // The digest holds for what is there, without another byte.
  bool is_whole() const;
  // The bytes are read from the published file, which must stay where it is.
  bool uses_published() const { return place_ != Place::kPartial; }

 private:
  // Where the bytes are.
  enum class Place {
    kPartial,    // Under partial/, being written.
    kPublished,  // Under blobs/, not in the index.
    kIndexed,    // Under blobs/, in the index with that size: verified and durable.
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
  std::uint64_t writeback_bytes_ = 0;  // Up to here the kernel was told to write.
  std::uint64_t disk_bytes_written_ = 0;
  std::shared_ptr<MemoryTail> tail_;
  Error unkept_reason_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_FILL_FILE_H_
