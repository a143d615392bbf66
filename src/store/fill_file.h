// SPDX-License-Identifier: Apache-2.0
//
// One blob on its way to the disk, step by step: open, write, verify, publish. Blocking
// calls, in order, on helper threads. A file that stands published already, in the index
// or (after a crash between rename and commit) not yet, is taken as it is: its bytes
// count as kept and are hashed where it stands.

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

namespace layby::store {

class FillFile {
 public:
  // `indexed_bytes` is the blob's size when the index has it. `stopped` ends the hashing
  // of kept bytes early, with kCancelled.
  FillFile(BlobFiles& files, oci::Digest digest, std::optional<std::uint64_t> indexed_bytes,
           const std::atomic<bool>& stopped);

  Status open();
  // Appends; what fits is kept when it fails.
  Status write(std::string_view bytes);
  // Once. kCorrupt deletes the file.
  Status verify();
  // Verified before. Durable at its published place when it returns Ok.
  Status publish();

  std::shared_ptr<cache::BlobFile> file() const { return file_; }
  std::uint64_t size_bytes() const { return size_bytes_; }

 private:
  // Where the bytes are.
  enum class Place {
    kPartial,    // Under partial/, being written.
    kPublished,  // Under blobs/, not in the index.
    kIndexed,    // Under blobs/, in the index with that size: verified and durable.
  };

  Status open_existing(UniqueFd fd);
  Status hash_kept();
  Status write_all(std::string_view bytes);
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
};

}  // namespace layby::store

#endif  // LAYBY_STORE_FILL_FILE_H_
