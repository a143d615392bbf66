// SPDX-License-Identifier: Apache-2.0
//
// Where blob files are: published ones under blobs/, half-written ones under partial/.
// A file gets into blobs/ by rename when its bytes are verified and durable, so what
// stands there was whole once. Work on one digest is in order (the store's lanes see
// to that); everything may block but open_published, which the loop calls.

#ifndef LAYBY_STORE_BLOB_FILES_H_
#define LAYBY_STORE_BLOB_FILES_H_

#include <chrono>
#include <cstdint>
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
  int (*rename)(const char* from, const char* to);
  static DiskCalls real();
};

class DiskFile final : public cache::BlobFile {
 public:
  explicit DiskFile(UniqueFd fd) : fd_(std::move(fd)) {}
  int fd() const override { return fd_.get(); }

 private:
  const UniqueFd fd_;
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
  // Moves the partial file to its published place; durable when it returns Ok.
  Status publish(const oci::Digest& digest);
  // Makes sure that the name of a published file is durable.
  Status sync_published_name(const oci::Digest& digest);

  // Fine if there is no such file.
  Status remove_published(const oci::Digest& digest) const;
  Status remove_partial(const oci::Digest& digest) const;
  // Only if nobody has written to it since `before`.
  Status remove_partial_older_than(const oci::Digest& digest, WallTime before) const;

  // Partial files last written before `before`; what isn't one is deleted on the way.
  std::vector<oci::Digest> stale_partials(WallTime before) const;

 private:
  std::string shelf_path(const oci::Digest& digest) const;
  Status make_shelf(const oci::Digest& digest);
  bool is_durable(const std::string& shelf);
  Status sync_directory(const std::string& path) const;

  const std::string data_dir_;
  const DiskCalls calls_;
  std::mutex mutex_;
  std::set<std::string> durable_shelves_;  // Guarded by mutex_.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_BLOB_FILES_H_
