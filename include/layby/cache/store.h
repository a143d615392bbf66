// SPDX-License-Identifier: Apache-2.0
//
// Where content is kept, as the cache sees it: an index that answers at once, blob
// files, and writers that publish a blob only when its digest holds. Looking up and
// the callbacks are on the loop thread; what can wait for a disk is done elsewhere.

#ifndef LAYBY_CACHE_STORE_H_
#define LAYBY_CACHE_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/result.h"
#include "layby/cache/async.h"
#include "layby/oci/digest.h"

namespace layby::cache {

// An open blob file, shared by all who read it; closes with the last of them.
class BlobFile {
 public:
  virtual ~BlobFile() = default;
  virtual int fd() const = 0;
};

struct StoredBlob {
  std::shared_ptr<BlobFile> file;
  std::uint64_t size_bytes = 0;
};

struct StoredManifest {
  std::shared_ptr<const std::string> bytes;
  std::string media_type;
};

// A tag is known per upstream and repository.
struct TagKey {
  std::string upstream;    // "docker.io"
  std::string repository;  // "library/debian"
  std::string tag;
  auto operator<=>(const TagKey&) const = default;
};

struct StoredTag {
  oci::Digest digest;
  WallTime checked_at;  // When upstream last said so.
};

// What a writer reports.
class BlobWriterEvents {
 public:
  virtual ~BlobWriterEvents() = default;
  // The file is open; `kept_bytes` of an earlier, interrupted fill are in it and hashed.
  virtual void on_writer_ready(std::uint64_t kept_bytes) = 0;
  // Bytes [0, total_bytes) are in the file and hashed.
  virtual void on_written(std::uint64_t total_bytes) = 0;
  // The digest holds. Publishing goes on.
  virtual void on_verified() = 0;
  // The blob is on the disk for good and in the index. Last call.
  virtual void on_published() = 0;
  // Opening, writing, verifying (kCorrupt) or publishing failed. Last call. A corrupt
  // partial file is gone; after any other error it may be taken up again.
  virtual void on_writer_error(Error error) = 0;
};

// One blob being written. Destroying it stops and leaves what is written for a later
// writer of the same digest to take up; it may be destroyed inside its last callback.
class BlobWriter : public Operation {
 public:
  // The growing file; valid from on_writer_ready on.
  virtual std::shared_ptr<BlobFile> file() const = 0;
  // Queues bytes behind those that are there.
  virtual void append(std::string bytes) = 0;
  // Bytes appended and not yet reported by on_written: what backpressure looks at.
  virtual std::uint64_t queued_bytes() const = 0;
  // All bytes are appended: check the digest, sync, publish.
  virtual void finish() = 0;
};

struct StoreUsage {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
  std::uint64_t tags = 0;
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t disk_total_bytes = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual std::optional<StoredBlob> open_blob(const oci::Digest& digest) = 0;
  virtual std::optional<StoredManifest> find_manifest(const oci::Digest& digest) = 0;
  virtual std::optional<StoredTag> find_tag(const TagKey& key) = 0;
  // The tags known of a repository, sorted.
  virtual std::vector<std::string> list_tags(const std::string& upstream,
                                             const std::string& repository) = 0;

  // Writes go in order and in batches; `done` (may be empty) runs when it is on the disk.
  using Done = std::function<void(Status)>;
  virtual void put_manifest(const oci::Digest& digest, StoredManifest manifest, Done done) = 0;
  virtual void put_tag(const TagKey& key, const StoredTag& tag, Done done) = 0;

  // At most one writer a digest at a time. `events` outlives the writer.
  virtual std::unique_ptr<BlobWriter> write_blob(const oci::Digest& digest,
                                                 BlobWriterEvents& events) = 0;

  virtual StoreUsage usage() const = 0;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_STORE_H_
