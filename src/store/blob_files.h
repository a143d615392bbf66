// SPDX-License-Identifier: Apache-2.0
//
// The blob files: published files are in blobs/, half-written files in partial/, damaged files in
// quarantine/. A file gets its name in blobs/ only after its bytes are verified and durable. The
// file's name in partial/ is removed only after the index has committed the blob, so a start finds
// every interrupted publishing by listing partial/. Callers do the work on one digest in order, in
// the digest's lane. Every call on files may block; after the start, open_published() is the only
// such call on the loop thread.

#ifndef LAYBY_STORE_BLOB_FILES_H_
#define LAYBY_STORE_BLOB_FILES_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/fd.h"
#include "layby/base/result.h"
#include "layby/cache/store.h"
#include "layby/oci/digest.h"

namespace layby::store {

// The system calls of publishing. Tests replace these calls with failing calls.
struct DiskCalls {
  int (*sync_data)(int fd);
  int (*sync_directory)(int fd);
  int (*link)(const char* from, const char* to);
  static DiskCalls real();
};

class DiskFile final : public cache::BlobFile {
 public:
  explicit DiskFile(UniqueFd fd) : fd_(std::move(fd)) {}
  int fd() const override { return fd_.get(); }
  bool revoked() const override { return revoked_; }
  void revoke() { revoked_ = true; }
  // Whether the file is whole and has a name. A file that was deleted or replaced has no name.
  bool is_in_place(std::uint64_t size_bytes) const;

 private:
  const UniqueFd fd_;
  std::atomic<bool> revoked_ = false;
};

struct PartialFile {
  oci::Digest digest;
  std::uint64_t size_bytes = 0;
  WallTime written_at;
  bool linked = false;  // The file has a second link: its publishing has begun.
};

class BlobFiles {
 public:
  explicit BlobFiles(std::string data_dir, DiskCalls calls = DiskCalls::real());

  // Makes the folders.
  Status prepare();

  std::string published_path(const oci::Digest& digest) const;
  std::string partial_path(const oci::Digest& digest) const;
  std::string partial_folder() const { return data_dir_ + "/partial"; }

  // Opens the file for reading. Returns an empty UniqueFd if the file is missing, and kCorrupt if
  // something other than a regular file is in its place. Never waits, not even if a FIFO is there.
  Result<UniqueFd> open_published(const oci::Digest& digest) const;
  // If something other than a regular file is in the place of a published file, moves the thing to
  // quarantine/.
  Status clear_published(const oci::Digest& digest) const;
  // Opens the file for reading and writing, and creates a missing file. If something other than a
  // regular file is in its place, the thing goes to quarantine/ first.
  Result<UniqueFd> open_partial(const oci::Digest& digest) const;
  // Like open_partial(), but returns an empty UniqueFd instead of creating a file.
  Result<UniqueFd> find_partial(const oci::Digest& digest) const;

  Status sync_data(int fd, const std::string& path) const;
  // Gives the partial file its published name as a second name. The name is durable when Ok is
  // returned.
  Status publish(const oci::Digest& digest);
  // Moves a published file to quarantine/. Deletes the oldest files in quarantine/ first, so that
  // at most 16 files remain. Does nothing when the published file has an inode other than `inode`,
  // or is missing.
  Status quarantine(const oci::Digest& digest, std::uint64_t inode) const;
  // Makes the name of a published file durable.
  Status sync_published_name(const oci::Digest& digest);

  // Both removals return Ok if the file is missing, and move anything other than a regular file to
  // quarantine/.
  Status remove_published(const oci::Digest& digest) const;
  Status remove_partial(const oci::Digest& digest);
  // Makes the deletion of both names of published files durable.
  Status sync_removals(const std::vector<oci::Digest>& digests) const;
  // Does nothing if somebody wrote to the file at the time `before` or later. If `indexed` is
  // false, removes the file's published name too, if there is one.
  Status remove_partial_older_than(const oci::Digest& digest, WallTime before, bool indexed);

  // Returns all partial files. Deletes the other files in partial/ that were last written earlier
  // than `before`, and moves things that are no regular files to quarantine/.
  std::vector<PartialFile> list_partials(WallTime before) const;
  // Returns the digests of the files in one shelf, a folder in blobs/<algorithm>/. `number` (0 to
  // kShelves - 1) is the first byte of the shelf's digests.
  static constexpr int kShelves = 256;
  std::vector<oci::Digest> list_shelf(ShaKind kind, int number) const;
  // Deletes everything in quarantine/.
  void clear_quarantine() const;

  // The bytes of all partial files. Writers add the bytes that they write; remove_partial()
  // subtracts the file's size.
  std::atomic<std::uint64_t>& partial_bytes() { return partial_bytes_; }

 private:
  std::string shelf_path(const oci::Digest& digest) const;
  void each_file(const std::string& folder,
                 const std::function<void(const std::string& name)>& visit) const;
  Status make_shelf(const oci::Digest& digest);
  bool is_durable(const std::string& shelf);
  Status sync_directory(const std::string& path) const;

  const std::string data_dir_;
  const DiskCalls calls_;
  std::atomic<std::uint64_t> partial_bytes_ = 0;
  std::mutex mutex_;
  std::set<std::string> durable_shelves_;  // Guarded by mutex_.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_BLOB_FILES_H_
