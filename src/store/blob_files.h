// SPDX-License-Identifier: Apache-2.0
//
// Where blob files are: published ones under blobs/, half-written ones under partial/,
// damaged ones under quarantine/. A file gets a second name in blobs/ when its bytes are
// verified and durable, so what stands there was whole once; its name in partial/ goes
// when the index knows it, so that a crash between the two is found without looking
// through blobs/. Work on one digest is in order (the store's lanes see to that);
// everything may block but open_published, which the loop calls.

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

// The calls of publishing that no test can make fail on a sound disk.
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

 private:
  const UniqueFd fd_;
  std::atomic<bool> revoked_ = false;
};

struct PartialFile {
  oci::Digest digest;
  std::uint64_t size_bytes = 0;
  WallTime written_at;
  bool linked = false;  // It has its name in blobs/ too, or had it.
};

class BlobFiles {
 public:
  explicit BlobFiles(std::string data_dir, DiskCalls calls = DiskCalls::real());

  // Makes the folders.
  Status prepare();

  std::string published_path(const oci::Digest& digest) const;
  std::string partial_path(const oci::Digest& digest) const;

  // An empty UniqueFd when there is no such file.
  Result<UniqueFd> open_published(const oci::Digest& digest) const;
  // For reading and writing; made if it isn't there.
  Result<UniqueFd> open_partial(const oci::Digest& digest) const;

  Status sync_data(int fd, const std::string& path) const;
  // Gives the partial file its published name besides; durable when it returns Ok.
  Status publish(const oci::Digest& digest);
  // Moves a published file to quarantine/, where the last few are kept; only if it is
  // still the one with that inode.
  Status quarantine(const oci::Digest& digest, std::uint64_t inode) const;
  // Makes sure that the name of a published file is durable.
  Status sync_published_name(const oci::Digest& digest);

  // Fine if there is no such file.
  Status remove_published(const oci::Digest& digest) const;
  Status remove_partial(const oci::Digest& digest);
  // Makes the deletion of published files durable.
  Status sync_shelves(const std::vector<oci::Digest>& digests) const;
  // Only if nobody has written to it since `before`. A published name that it has
  // besides goes too, unless `indexed`.
  Status remove_partial_older_than(const oci::Digest& digest, WallTime before, bool indexed);

  // What is in partial/. What isn't a partial file is deleted when it was last written
  // before `before`.
  std::vector<PartialFile> list_partials(WallTime before) const;
  // The digests that files in blobs/ are named by, in shelf `number` (0 to kShelves - 1)
  // of an algorithm.
  static constexpr int kShelves = 256;
  std::vector<oci::Digest> list_shelf(ShaKind kind, int number) const;
  // Deletes what is in quarantine/.
  void clear_quarantine() const;

  // Bytes of all partial files; whoever writes to one adds, deleting subtracts.
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
